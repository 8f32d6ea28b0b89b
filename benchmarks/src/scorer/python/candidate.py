# Runs code that a model wrote and answers calls of it. Whatever that code does to this process: only answers leave it, as data,
# and they are compared elsewhere. Begins with values.py and choose.py.
import os as _os

_ask = _os.fdopen(_os.dup(0), "rb")
_say = _os.dup(1)
_null = _os.open(_os.devnull, _os.O_RDWR)
for _number in (0, 1, 2):
    _os.dup2(_null, _number)


def _answer(value, write=_os.write, to=_say, dumps=_json.dumps):
    line = dumps(value).encode() + b"\n"
    while line:
        line = line[write(to, line):]


def _shape(value, shape):
    # Trees and lists of nodes from how they are written.
    if shape == "tree":
        return tree_of(value)
    if shape == "list":
        return list_of(value)
    if shape == "lists":
        return [list_of(part) for part in value]
    if shape == "float":
        return float(value)
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
    try:
        # Hashes have a fixed seed.
        tree = hash(_ast.dump(_ast.parse(reading["source"])))
    except (RecursionError, MemoryError):
        tree = None
    _answer({"chosen": chosen, "tree": tree})
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
