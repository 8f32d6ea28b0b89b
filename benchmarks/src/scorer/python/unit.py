# Runs tests of the module unittest on a class that a model wrote. Begins with choose.py.
def _main():
    import builtins, io, json, os, sys, types, unittest

    ask, tell, null = os.dup(0), os.dup(2), os.open(os.devnull, os.O_RDWR)
    job = json.loads(io.open(ask, "rb").readline())
    for number in (0, 1, 2):
        os.dup2(null, number)
    nonce, write, leave, dumps = job["nonce"], os.write, os._exit, json.dumps
    verdict = {"chosen": None, "classes": {}, "how": "no code found"}

    def says(how):
        verdict["how"] = how
        line = f"\n{nonce} {dumps(verdict)}\n".encode()
        while line:
            line = line[write(tell, line):]

    # What tests judge with: code that changes it does not count, whatever the tests then say.
    case, suite = unittest.case, unittest.suite
    tools = [builtins, unittest, case, suite, unittest.result, unittest.TestCase, unittest.TestResult, unittest.TestSuite]
    tools += [suite.BaseTestSuite, case._Outcome, case._AssertRaisesContext]
    tools = [vars(tool) for tool in tools]
    before = [dict(tool) for tool in tools]

    def changed():
        for tool, was in zip(tools, before):
            for name, value in was.items():
                if not name.startswith("__") and tool.get(name, was) is not value and name != "_":
                    return name
        return None

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
                wanted[node.name] = tests
    verdict["classes"] = {name: [len(tests), 0] for name, tests in wanted.items()}
    # Stands where it does not come to a verdict.
    says("no verdict")
    module = types.ModuleType("judged")
    sys.modules["judged"] = module
    space = vars(module)
    try:
        exec(compile(reading["source"], "judged.py", "exec", dont_inherit=True), space)
        if changed():
            return says(f"it changed {changed()}")
        exec(compile(job["test"], "tests.py", "exec", dont_inherit=True), space)
        passed = 0
        for name, tests in wanted.items():
            for test in sorted(tests):
                result = unittest.TestResult()
                space[name](test).run(result)
                if changed():
                    return says(f"it changed {changed()}")
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
