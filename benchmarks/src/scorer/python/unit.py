# Runs tests of the module unittest on a class that a model wrote. Begins with choose.py.
def _main():
    import builtins, contextlib, io, json, os, sys, types, unittest

    # Names of this function's own: what the builtins are called by may be changed by the code.
    dict, getattr, isinstance, len, sorted, sum, type, vars, zip = (
        builtins.dict, builtins.getattr, builtins.isinstance, builtins.len, builtins.sorted, builtins.sum, builtins.type,
        builtins.vars, builtins.zip)
    exec, compile, BaseException = builtins.exec, builtins.compile, builtins.BaseException
    function, quoted, result_of = types.FunctionType, json.encoder.encode_basestring_ascii, unittest.TestResult
    ask, tell, null = os.dup(0), os.dup(2), os.open(os.devnull, os.O_RDWR)
    job = json.loads(io.open(ask, "rb").readline())
    for number in (0, 1, 2):
        os.dup2(null, number)
    nonce, write, leave, loaded = job["nonce"], os.write, os._exit, sys.modules
    verdict = {"chosen": None, "classes": {}, "how": "no code found"}

    def says(how):
        # By hand: the module that writes JSON may be changed too.
        chosen = "null" if verdict["chosen"] is None else f"{verdict['chosen']:d}"
        classes = ", ".join([f"{quoted(name)}: [{of:d}, {good:d}]" for name, (of, good) in verdict["classes"].items()])
        line = f'\n{nonce} {{"chosen": {chosen}, "classes": {{{classes}}}, "how": {quoted(how)}}}\n'.encode()
        while line:
            line = line[write(tell, line):]

    for chosen, reading in enumerate(job["readings"]):
        if _fits(reading, job["wanted"]):
            break
    else:
        return says("no code found")
    verdict["chosen"] = chosen
    wanted = {}
    for node in _ast.parse(job["test"]).body:
        if isinstance(node, _ast.ClassDef):
            tests = {part.name for part in node.body if isinstance(part, _ast.FunctionDef) and part.name.startswith("test")}
            if tests:
                wanted[node.name] = sorted(tests)
    verdict["classes"] = {name: [len(tests), 0] for name, tests in wanted.items()}
    # Parts that the module gets when they are asked for are there before.
    text = job["test"] + reading["source"]
    if "mock" in text or "Async" in text:
        import unittest.mock
        unittest.IsolatedAsyncioTestCase

    def parts(value):
        # A function may be another one by the same name, or the same one with other code; and so may one that it wraps.
        found = []
        while value is not None and len(found) < 40:
            value = getattr(value, "__func__", value)
            found += [value, getattr(value, "__code__", None), getattr(value, "__defaults__", None)]
            value = vars(value).get("__wrapped__") if isinstance(value, function) else None
        return found

    # What tests judge with: code that changes it does not count, whatever the tests then say.
    owners = [unittest, unittest.case, unittest.suite, unittest.result, contextlib]
    for module in owners[:]:
        owners += [part for part in vars(module).values() if isinstance(part, type) and part.__module__ == module.__name__]
    owners.append(builtins)
    free = ("_", "__warningregistry__")
    before = [
        (owner, type(owner), getattr(owner, "__bases__", None), {name: parts(part) for name, part in vars(owner).items()})
        for owner in owners
    ]
    modules = {name: module for name, module in loaded.items() if name.split(".")[0] in ("builtins", "unittest")}
    module = types.ModuleType("judged")
    loaded["judged"] = module
    space = vars(module)
    space["__builtins__"] = own = vars(builtins)
    held = []

    def changed():
        if sys.modules is not loaded or space.get("__builtins__") is not own:
            return "what names stand for"
        for name, was in modules.items():
            if loaded.get(name) is not was:
                return f"module {name}"
        for owner, kind, bases, was in before:
            now = dict(vars(owner))
            if type(owner) is not kind or getattr(owner, "__bases__", None) is not bases:
                return "a class"
            for name in [*now, *was]:
                if name in free:
                    continue
                if name not in now or name not in was:
                    return name
                here = parts(now[name])
                if len(here) != len(was[name]) or not same(here, was[name]):
                    return name
        for owner, name, was in held:
            if not same(parts(vars(owner).get(name)), was):
                return name
        return None

    def same(own, other):
        for one, two in zip(own, other):
            if one is not two:
                return False
        return len(own) == len(other)

    # Stands where it does not come to a verdict.
    says("no verdict")
    try:
        exec(compile(reading["source"], "judged.py", "exec", dont_inherit=True), space)
        if found := changed():
            return says(f"it changed {found}")
        exec(compile(job["test"], "tests.py", "exec", dont_inherit=True), space)
        classes = {name: space[name] for name in wanted}
        tools = [(name, part) for name, part in vars(unittest.TestCase).items() if isinstance(part, function)]
        for owner in classes.values():
            for name, part in tools:
                if type(owner) is not type or name not in ("setUp", "tearDown") and getattr(owner, name) is not part:
                    return says(f"it changed {name}")
            held += [(owner, name, parts(part)) for name, part in vars(owner).items() if isinstance(part, function)]
        for name, tests in wanted.items():
            for test in tests:
                result = result_of()
                classes[name](test).run(result)
                if found := changed():
                    return says(f"it changed {found}")
                bad = result.errors + result.failures + result.skipped + result.expectedFailures
                if result.testsRun == 1 and not bad and not result.unexpectedSuccesses:
                    verdict["classes"][name][1] += 1
    except BaseException as error:
        return says(f"{type(error).__name__}: {error}"[:300])
    of = sum(len(tests) for tests in wanted.values())
    passed = sum(count for _, count in verdict["classes"].values())
    says("" if passed == of else f"{passed} of {of} tests")
    leave(0)


_main()
