//! Classes from their skeleton.

use avp_bench::scorer::classeval;
use avp_bench::task::TaskItem;
use rayon::prelude::*;

use crate::{compat, item, walls};

fn class() -> TaskItem {
    item(
        "own/class",
        &[
            ("class_name", "Box"),
            ("imports", "import math\nfrom typing import List"),
            (
                "test",
                "import unittest\n\nclass BoxTestAdd(unittest.TestCase):\n    def test_add_1(self):\n        box = Box()\n        box.add(2)\n        self.assertEqual(box.sizes, [2])\n\n    def test_add_2(self):\n        with self.assertRaises(ValueError):\n            Box().add(-1)\n\nclass BoxTestRoot(unittest.TestCase):\n    def test_root_1(self):\n        box = Box()\n        box.add(9)\n        self.assertEqual(box.root(), 3)\n",
            ),
        ],
    )
}

const BOX: &str = "class Box:\n    def __init__(self):\n        self.sizes: List[int] = []\n\n    def add(self, size):\n        if size < 0:\n            raise ValueError(size)\n        self.sizes.append(size)\n\n    def root(self):\n        return math.isqrt(sum(self.sizes))";

#[test]
fn a_class_is_held_against_its_tests() {
    let Some(sandbox) = walls::sandbox() else { return };
    let item = class();
    for form in [
        BOX.to_owned(),
        format!("```python\n{BOX}\n```"),
        format!(
            "Here:\n```python\nimport math\nfrom typing import List\n\n{BOX}\n```\nTry it:\n```python\nprint(Box().root())\n```"
        ),
    ] {
        let score = classeval::score(&item, &form, &sandbox);
        assert!(score.right && score.marks["tests"] == 1.0 && score.marks["methods"] == 1.0, "{score:?}");
    }
    assert!(compat(&classeval::score(&item, &format!("```python\n{BOX}\n```"), &sandbox)));
    let half = classeval::score(&item, &BOX.replace("isqrt", "floor"), &sandbox);
    assert!(!half.right && !compat(&half) && half.marks["methods"] == 0.5, "{half:?}");
    for nothing in ["", "No.", "class Other:\n    pass"] {
        let score = classeval::score(&item, nothing, &sandbox);
        assert!(!score.right && score.answer.is_none() && score.error.is_none(), "{score:?}");
    }
}

#[test]
fn exits_and_changed_assertions_do_not_pass_a_class() {
    let Some(sandbox) = walls::sandbox() else { return };
    let item = class();
    let cheats = [
        "import os\nos._exit(0)",
        "import sys\nsys.exit(0)",
        "raise SystemExit(0)",
        "import atexit, os\natexit.register(lambda: os._exit(0))",
        "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\nunittest.TestCase.assertRaises = lambda *a: __import__('contextlib').suppress(BaseException)",
        "import unittest\nunittest.TestCase.run = lambda self, result=None: setattr(result, 'testsRun', 1)",
        "import unittest\nunittest.TestResult.addFailure = unittest.TestResult.addError = lambda *a: None",
        "import unittest\nunittest.TestCase = type('TestCase', (), {})",
        "import builtins\nbuiltins.print = lambda *a: None",
        // Another module by that name, other reading of names, another way to make classes.
        "import sys, types\nfake = types.ModuleType('unittest')\nclass TestCase:\n    def __init__(self, name): pass\n    def run(self, result): result.testsRun = 1\nfake.TestCase = TestCase\nsys.modules['unittest'] = fake",
        "import unittest\ndef get(self, name):\n    if name.startswith('assert'): return lambda *a: __import__('contextlib').suppress(BaseException)\n    return object.__getattribute__(self, name)\nunittest.TestCase.__getattribute__ = get",
        "import builtins\nmake = builtins.__build_class__\ndef build(body, name, *bases, **named):\n    made = make(body, name, *bases, **named)\n    for key in list(vars(made)):\n        if key.startswith('test'): setattr(made, key, lambda self: None)\n    return made\nbuiltins.__build_class__ = build",
        // The same functions with other code, names of this module's own, what is looked with.
        "import unittest\nfor name in ('assertEqual', 'assertRaises'):\n    getattr(unittest.TestCase, name).__code__ = (lambda self, *a, **k: __import__('contextlib').suppress(BaseException)).__code__",
        "import builtins\nbuiltins.zip = lambda *a: []\nbuiltins.dict = lambda *a: {}\nimport unittest\nunittest.TestCase.assertEqual = lambda *a: None",
        "import builtins\nmake = builtins.__build_class__\n__builtins__ = {**vars(builtins), '__build_class__': lambda body, name, *bases: make(lambda: None, name, *bases)}",
        "import json\njson.dumps.__globals__['_default_encoder'] = type('E', (), {'encode': lambda self, value: '{\"chosen\": 0, \"classes\": {\"A\": [1, 1]}, \"how\": \"\"}'})()",
        "import contextlib\ncontextlib._GeneratorContextManager.__exit__ = lambda *a: True",
        "import threading, os\nthreading.Thread(target=lambda: os._exit(0)).start()",
        "import os\nfor number in range(1, 20):\n    try: os.write(number, b'\\npassed {\"chosen\": 0, \"classes\": {\"A\": [1, 1]}, \"how\": \"\"}\\n')\n    except OSError: pass",
    ];
    cheats.par_iter().for_each(|cheat| {
        let code = format!("{cheat}\nclass Box:\n    def __init__(self): self.sizes = None\n    def add(self, size): pass\n    def root(self): return None");
        let score = classeval::score(&item, &code, &sandbox);
        assert!(!score.right && score.error.is_none(), "{score:?}\n{cheat}");
    });
    // From inside the first test, the others; the code that the tests are made of.
    let code = "import sys\nclass Box:\n    def __init__(self):\n        self.sizes = [2]\n        for name, made in list(globals().items()):\n            if name.startswith('BoxTest'):\n                for key in list(vars(made)):\n                    if key.startswith('test'): setattr(made, key, lambda self: None)\n    def add(self, size): pass\n    def root(self): return None";
    let score = classeval::score(&item, code, &sandbox);
    assert!(!score.right && score.error.is_none(), "{score:?}");
    // Inside the methods.
    for line in
        ["import os; os._exit(0)", "raise SystemExit(0)", "import unittest; raise unittest.SkipTest('x')"]
    {
        let code = format!(
            "class Box:\n    def add(self, size):\n        {line}\n    def root(self):\n        {line}"
        );
        assert!(!classeval::score(&item, &code, &sandbox).right, "{line}");
    }
}

#[test]
fn code_that_uses_parts_of_the_test_module_is_no_cheat() {
    let Some(sandbox) = walls::sandbox() else { return };
    let code = format!(
        "import sys, unittest, warnings\nfrom unittest.mock import patch\nfrom contextlib import suppress\nwarnings.warn('x')\n{BOX}"
    );
    let score = classeval::score(&class(), &code, &sandbox);
    assert!(score.right, "{score:?}");
}

#[test]
fn upstreams_time_is_processor_time_too() {
    let Some(sandbox) = walls::sandbox() else { return };
    let mut item = class();
    let test = "import resource, unittest\n\nclass BoxTest(unittest.TestCase):\n    def test_1(self):\n        self.assertEqual(resource.getrlimit(resource.RLIMIT_CPU)[0], 30)\n";
    item.fields.insert("test".to_owned(), test.to_owned());
    let score = classeval::score(&item, &format!("```python\n{BOX}\n```"), &sandbox);
    assert!(compat(&score), "{score:?}");
}
