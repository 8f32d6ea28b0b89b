# Runs code that a model wrote and answers calls of it. Whatever that code does to this process: only answers leave it, as data,
# and they are compared elsewhere. Begins with values.py.
import ast as _ast, os as _os, sys as _sys

_ask = _os.fdopen(_os.dup(0), "rb")
_say = _os.dup(1)
_null = _os.open(_os.devnull, _os.O_RDWR)
for _number in (0, 1, 2):
    _os.dup2(_null, _number)


def _answer(value, write=_os.write, to=_say, dumps=_json.dumps):
    line = dumps(value).encode() + b"\n"
    while line:
        line = line[write(to, line):]


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


def _shape(value, shape):
    # Trees and lists of nodes from how they are written.
    if shape == "tree":
        return tree_of(value)
    if shape == "list":
        return list_of(value)
    if shape == "lists":
        return [list_of(part) for part in value]
    if shape == "n-ary":
        return nary_of(value)
    return value


def _call(space, wanted, call):
    args = [decode(part) for part in call["args"]]
    owner = space.get(wanted.get("class")) if wanted.get("class") else None
    if "methods" in call:
        # One object, its methods in turn: what each gives.
        made = owner(*args[0])
        return [None] + [getattr(made, name)(*rest) for name, rest in zip(call["methods"], args[1:])], args
    args = [_shape(value, shape) for value, shape in zip(args, call.get("shapes", ["plain"] * len(args)))]
    if "cycle" in call and call["cycle"] >= 0:
        join(args[0], call["cycle"])
    function = wanted["function"]
    target = getattr(owner(), function) if owner else space[function]
    return target(*args, **{key: decode(value) for key, value in call.get("named", {}).items()}), args


def _serve():
    request = _json.loads(_ask.readline())
    wanted = request["wanted"]
    for chosen, reading in enumerate(request["readings"]):
        if _fits(reading, wanted):
            break
    else:
        return _answer({"chosen": None})
    _answer({"chosen": chosen})
    space = {"__name__": "candidate", "__builtins__": __builtins__}
    if request.get("names"):
        exec(request["names"], space)
        globals().update({name: space[name] for name in ("TreeNode", "ListNode", "Node") if name in space})
    try:
        exec(compile(reading["source"], "candidate", "exec", dont_inherit=True), space)
        _answer({"loaded": True})
    except BaseException as error:
        return _answer({"error": f"{type(error).__name__}: {error}"[:300]})
    while line := _ask.readline():
        try:
            value, args = _call(space, wanted, _json.loads(line))
            _answer({"value": encode(value), "args": [encode(arg) for arg in args]})
        except BaseException as error:
            try:
                how = f"{type(error).__name__}: {error}"[:300]
            except BaseException:
                how = type(error).__name__
            _answer({"error": how})


_serve()
