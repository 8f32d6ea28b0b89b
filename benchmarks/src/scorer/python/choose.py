# Which of several readings is a program with what is wanted. Nothing is run.
import ast as _ast


def _binds(tree, name):
    for node in tree.body:
        if isinstance(node, (_ast.FunctionDef, _ast.ClassDef)) and node.name == name:
            yield node
        if isinstance(node, _ast.Assign) and any(isinstance(to, _ast.Name) and to.id == name for to in node.targets):
            yield node


def _gives(node):
    # Whether a function gives something back, itself: what stands behind an answer as an example of its use does not.
    for part in _ast.iter_child_nodes(node):
        if isinstance(part, (_ast.Yield, _ast.YieldFrom)) or isinstance(part, _ast.Return) and part.value:
            return True
        inner = isinstance(part, (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.Lambda, _ast.ClassDef))
        if not inner and _gives(part):
            return True
    return False


def _fits(reading, wanted):
    try:
        tree = _ast.parse(reading["source"])
        compile(reading["source"], "candidate", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    function, owner = wanted["function"], wanted.get("class")
    if owner:
        for node in _binds(tree, owner):
            if isinstance(node, _ast.ClassDef):
                return function is None or any(getattr(part, "name", None) == function for part in node.body)
        return function is not None and bool(list(_binds(tree, function)))
    found = list(_binds(tree, function))
    return bool(found) and (not reading["body"] or _gives(found[-1]))
