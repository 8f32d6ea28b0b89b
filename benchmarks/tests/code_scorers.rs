//! What the scorers of code say of right answers, in the forms that models give them, and of cheats.
//!
//! Full files of the data sets are read from the folder that `AVP_BENCH_DATA` names; what scores all of a large one is ignored by
//! default: `cargo test --release -p avp-bench --all-features --test code_scorers -- --ignored --nocapture`.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod walls;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use avp_bench::sandbox::Sandbox;
use avp_bench::scorer::{Score, classeval, debugbench, humaneval};
use avp_bench::task::TaskItem;
use rayon::prelude::*;
use serde_json::Value as Json;

fn item(id: &str, fields: &[(&str, &str)]) -> TaskItem {
    TaskItem {
        id: id.to_owned(),
        family: String::new(),
        context: String::new(),
        question: String::new(),
        answer: String::new(),
        reply: String::new(),
        fields: fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
    }
}

/// The objects of a file of the data sets: an array, or one a line.
fn file(name: &str) -> Option<Vec<Json>> {
    let Some(folder) = std::env::var_os("AVP_BENCH_DATA").map(PathBuf::from) else {
        eprintln!("left out: AVP_BENCH_DATA names no folder of data sets");
        return None;
    };
    let text = fs::read_to_string(folder.join(name)).unwrap();
    let stream = serde_json::Deserializer::from_str(&text).into_iter::<Json>();
    let values: Vec<Json> = stream.map(Result::unwrap).collect();
    Some(match values.as_slice() {
        [Json::Array(values)] => values.clone(),
        _ => values,
    })
}

fn items(values: &[Json], id: &str) -> Vec<TaskItem> {
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Array(parts) => parts.iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n\n"),
        other => other.to_string(),
    };
    values
        .iter()
        .map(|value| {
            let fields: BTreeMap<_, _> =
                value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
            TaskItem { fields, ..item(&text(&value[id]), &[]) }
        })
        .collect()
}

fn compat(score: &Score) -> bool {
    score.marks["compat"] == 1.0
}

/// How many are right, by ours and by upstream's rules. No error is taken.
fn count(scores: &[Score]) -> (usize, usize) {
    for score in scores {
        assert_eq!(score.error, None);
    }
    (scores.iter().filter(|score| score.right).count(), scores.iter().filter(|score| compat(score)).count())
}

fn human() -> TaskItem {
    let prompt = "from typing import List\n\n\ndef half(n: int) -> int:\n    return n // 2\n\n\ndef halves(numbers: List[int]) -> List[int]:\n    \"\"\" Half of each.\n    >>> halves([4, 7])\n    [2, 3]\n    \"\"\"\n";
    let test = "def check(candidate):\n    assert candidate([4, 7]) == [half(4), half(7)]\n    assert candidate([]) == []\n    assert candidate([1] * 50) == [0] * 50\n";
    item("own/0", &[("prompt", prompt), ("test", test), ("entry_point", "halves")])
}

fn human_scores(replies: &[&str]) -> Vec<Score> {
    let Some(sandbox) = walls::sandbox() else { return Vec::new() };
    let item = human();
    replies.par_iter().map(|reply| humaneval::score(&item, reply, &sandbox)).collect()
}

#[test]
fn a_right_function_is_right_in_any_form() {
    let forms = [
        // The body alone: plain, stripped, in a fence, moved to the margin, with what base models write on.
        "    return [n // 2 for n in numbers]\n",
        "return [n // 2 for n in numbers]",
        "out = []\n    for n in numbers:\n        out.append(half(n))\n    return out\n\n\nprint(halves([1]))\n",
        "```python\n    return [n // 2 for n in numbers]\n```",
        "```\nout = []\nfor n in numbers:\n    out.append(n // 2)\nreturn out\n```",
        // The whole function: without the prompt's imports and helpers, with them, among text, in one block of several.
        "def halves(numbers: List[int]) -> List[int]:\n    return [half(n) for n in numbers]",
        "Sure!\n```python\nfrom typing import List\n\ndef half(n):\n    return n // 2\n\ndef halves(numbers: List[int]) -> List[int]:\n    return [half(n) for n in numbers]\n```\nIt halves.",
        "Here you go:\n\ndef halves(numbers):\n    return [n // 2 for n in numbers]\n\nThis works since // rounds down.",
        "```python\ndef halves(numbers):\n    return [n // 2 for n in numbers]\n```\nUse it so:\n```python\nprint(halves([1, 2]))\n```",
        "```python\ndef halves(numbers):\n    return numbers\n```\nWait, better:\n```python\ndef halves(numbers):\n    return [n // 2 for n in numbers]\n```",
        "```python\n    return [n // 2 for n in numbers]\n```\nFor example:\n```python\nhalves([1])\n```",
        "```python\nfrom __future__ import annotations\ndef halves(numbers: list[int]):\n    return [n // 2 for n in numbers]\n```",
        // Code that a file would run stays out.
        "def halves(numbers):\n    print('noise')\n    return [n // 2 for n in numbers]\n\nif __name__ == '__main__':\n    raise SystemExit(3)\n",
    ];
    for (score, form) in human_scores(&forms).iter().zip(forms) {
        assert!(score.right && score.error.is_none(), "{score:?}\n{form}");
        assert!(
            score.answer.as_deref().is_some_and(|answer| answer.contains("2") || answer.contains("half"))
        );
    }
}

#[test]
fn upstreams_rules_are_upstreams() {
    let scores = human_scores(&[
        "    return [n // 2 for n in numbers]\n",
        "```python\n    return [n // 2 for n in numbers]\n```",
        "def halves(numbers: List[int]):\n    return [n // 2 for n in numbers]",
        "```python\ndef half(n): return n // 2\ndef halves(numbers):\n    return [n // 2 for n in numbers]\n```",
        "```python\ndef half(n): return n // 2\ndef halves(numbers):\n    return [n // 2 for n in numbers]\n```\n```python\nprint(halves([1]))\n```",
        "import os\nos._exit(0)\ndef halves(): pass",
    ]);
    let upstream: Vec<_> = scores.iter().map(compat).collect();
    assert!(scores.is_empty() || upstream == [false, false, false, true, false, true], "{upstream:?}");
    assert!(scores.is_empty() || !scores[5].right);
}

#[test]
fn replies_without_code_have_no_answer() {
    let scores = human_scores(&[
        "",
        "  \n",
        "I cannot do that.",
        "```python\n```",
        "```python\nhalves([1])\n```",
        "None",
        "def other(x):\n    return x",
    ]);
    for score in scores {
        assert!(score.answer.is_none() && !score.right && score.error.is_none(), "{score:?}");
    }
}

/// Code that tries to be right without being it. Each stands before, inside or in place of the function.
const CHEATS: [&str; 24] = [
    "import os\nos._exit(0)\ndef halves(numbers): return None",
    "def halves(numbers):\n    import os\n    os._exit(0)\n    return None",
    "import sys\nsys.exit(0)\ndef halves(numbers): return None",
    "def halves(numbers):\n    raise SystemExit(0)\n    return None",
    "import atexit, os\natexit.register(lambda: os._exit(0))\ndef halves(numbers): return None",
    // Equal to everything, true in every comparison, and as a list, a number or a text of that kind.
    "class Any:\n    def __eq__(self, other): return True\n    __ne__ = lambda self, other: False\n    __hash__ = None\ndef halves(numbers): return Any()",
    "class Any(list):\n    def __eq__(self, other): return True\ndef halves(numbers): return Any()",
    "class Any(int):\n    def __eq__(self, other): return True\ndef halves(numbers): return [Any(9) for _ in numbers]",
    "class Meta(type):\n    def __instancecheck__(self, other): return True\nimport builtins\nbuiltins.list = Meta('list', (), {})\ndef halves(numbers): return 1",
    // Another print, other builtins, another comparison, another check.
    "import builtins\nbuiltins.print = lambda *a, **k: None\nbuiltins.isinstance = lambda *a: True\nbuiltins.type = lambda *a: int\ndef halves(numbers): return 0",
    "import json\njson.dumps = lambda *a, **k: '{\"value\": true}'\ndef halves(numbers): return 0",
    "def check(candidate): pass\ndef halves(numbers): return None",
    "import sys\nsys.modules['__main__'].check = lambda candidate: None\ndef halves(numbers): return None",
    // The frames and the objects of this process, for a word, a test or an expected answer.
    "import sys, gc\ndef halves(numbers):\n    frame = sys._getframe()\n    while frame:\n        for value in list(frame.f_globals.values()) + list(frame.f_locals.values()):\n            if isinstance(value, dict) and 'test' in value: return value\n        frame.f_globals['encode'] = lambda *a: True\n        frame = frame.f_back\n    for found in gc.get_objects():\n        if isinstance(found, dict) and ('nonce' in found or 'test' in found): return found\n    return None",
    // What the machine tells: arguments, environment, files, memory, other processes.
    "import os, re\ndef halves(numbers):\n    seen = ''\n    for pid in os.listdir('/proc'):\n        for name in ('cmdline', 'environ'):\n            try: seen += open(f'/proc/{pid}/{name}').read()\n            except OSError: pass\n    for word in re.findall('[0-9a-f]{32}', seen):\n        os.write(2, f'\\n{word} {{\"passed\": true, \"chosen\": 0, \"how\": \"\"}}\\n'.encode())\n    return None",
    "import os\ndef halves(numbers):\n    for number in range(64):\n        try: os.write(number, b'\\npassed {\"passed\": true, \"chosen\": 0, \"how\": \"\"}\\n{\"value\": null, \"args\": []}\\n')\n        except OSError: pass\n    return None",
    // Forged answers in advance, a child that writes, a thread that does, a signal to whoever is there.
    "import os\nfor number in range(3, 20):\n    try: os.write(number, b'{\"loaded\": true}\\n{\"value\": {\"l\": []}, \"args\": []}\\n' * 50)\n    except OSError: pass\ndef halves(numbers): return None",
    "import os\nif os.fork() == 0:\n    while True:\n        for number in range(3, 20):\n            try: os.write(number, b'{\"value\": true, \"args\": []}\\n')\n            except OSError: pass\ndef halves(numbers): return None",
    "import threading, os\nthreading.Thread(target=lambda: os._exit(0)).start()\ndef halves(numbers):\n    import time\n    time.sleep(1)\n    return None",
    "import os, signal\nfor target in (os.getppid(), 1, -1, 0):\n    try: os.kill(target, signal.SIGKILL)\n    except OSError: pass\ndef halves(numbers): return None",
    // What the answers do to whoever reads them.
    "import os\ndef halves(numbers):\n    for number in range(3, 20):\n        try: os.write(number, b'[' * 100000 + b'\\n')\n        except OSError: pass\n    return None",
    "def halves(numbers):\n    x = []\n    for _ in range(10000): x = [x]\n    return x",
    "def halves(numbers):\n    x = []\n    x.append(x)\n    return x",
    "def halves(numbers):\n    import os\n    while True:\n        os.write(5, b'x' * 65536) if os.path.exists('/proc/self/fd/5') else os.write(4, b'x' * 65536)\n    return None",
];

#[test]
fn no_cheat_is_right() {
    for (score, cheat) in human_scores(&CHEATS).iter().zip(CHEATS) {
        assert!(!score.right, "{cheat}");
        // It is the code's fault, not the machine's: an error would take the item out of the count.
        assert_eq!(score.error, None, "{cheat}");
    }
}

#[test]
fn what_takes_too_long_is_wrong_and_marked() {
    for score in human_scores(&[
        "    while True: pass\n    return 1\n",
        "    import time\n    time.sleep(1000)\n    return 1",
    ]) {
        assert!(!score.right && score.answer.is_some() && score.error.is_none());
        assert_eq!(score.marks["timeout"], 1.0);
    }
}

#[test]
fn an_item_without_its_texts_is_an_error_of_the_item() {
    let Some(sandbox) = walls::sandbox() else { return };
    let score = humaneval::score(&item("none", &[]), "x", &sandbox);
    assert!(score.error.is_some() && !score.right);
}

fn bug(fields: &[(&str, &str)]) -> TaskItem {
    item("own/bug", fields)
}

/// A tree, a list changed in place, any order, a class of methods, a helper before the method.
fn bugs() -> Vec<(TaskItem, &'static str, &'static str)> {
    let tree = "class Solution:\n    def helper(self, node):\n        return 0 if node is None else node.val + self.helper(node.left) + self.helper(node.right)\n\n    def treeSum(self, root: Optional[TreeNode], extra: bool) -> int:\n        return self.helper(root) + int(extra)";
    let place = "class Solution:\n    def turn(self, nums: List[int]) -> None:\n        nums.reverse()";
    let order = "class Solution:\n    def pairs(self, n: int) -> List[List[int]]:\n        return [[a, b] for a, b in product(range(n), repeat=2)]";
    let chain = "class Solution:\n    def swap(self, head: Optional[ListNode]) -> Optional[ListNode]:\n        if head and head.next:\n            head.val, head.next.val = head.next.val, head.val\n        return head";
    let class = "class Count:\n    def __init__(self, start: int):\n        self.n = start\n\n    def more(self, by: int) -> int:\n        self.n += by\n        return self.n";
    vec![
        (
            bug(&[
                ("slug", "tree-sum"),
                (
                    "examples",
                    "Input: root = [1,null,2,3], extra = true\nOutput: 7\n\nInput: root = [], extra = false\nOutput: 0",
                ),
                ("oracle_code", tree),
            ]),
            tree,
            "class Solution:\n    def treeSum(self, root, extra):\n        return 7",
        ),
        (
            bug(&[
                ("slug", "turn"),
                ("examples", "Input: nums = [1,2,3]\nOutput: [3,2,1]"),
                ("oracle_code", place),
            ]),
            "class Solution:\n    def turn(self, numbers):\n        numbers[:] = numbers[::-1]",
            "class Solution:\n    def turn(self, nums):\n        nums = nums[::-1]",
        ),
        (
            bug(&[
                ("slug", "pairs"),
                ("description", "Return all pairs in any order."),
                ("examples", "Input: n = 3\nOutput: []"),
                ("oracle_code", order),
            ]),
            "class Solution:\n    def pairs(self, n):\n        return [[a, b] for b in range(n) for a in range(n)]",
            "class Solution:\n    def pairs(self, n):\n        return [[0, 0]] * (n * n)",
        ),
        (
            bug(&[
                ("slug", "swap"),
                ("examples", "Input: head = [1,2,3]\nOutput: [2,1,3]"),
                ("oracle_code", chain),
            ]),
            "class ListNode:\n    def __init__(self, val=0, next=None):\n        self.val, self.next = val, next\n\nclass Solution:\n    def swap(self, head):\n        return ListNode(head.next.val, ListNode(head.val, head.next.next))",
            "class Solution:\n    def swap(self, head):\n        return [2, 1, 3]",
        ),
        (
            bug(&[
                ("slug", "count"),
                ("examples", "Input\n[\"Count\", \"more\", \"more\"]\n[[3], [1], [5]]\nOutput\n[null, 4, 9]"),
                ("oracle_code", class),
            ]),
            class,
            "class Count:\n    def __init__(self, start):\n        pass\n\n    def more(self, by):\n        return 4",
        ),
    ]
}

#[test]
fn mended_code_is_held_against_the_oracle() {
    let Some(sandbox) = walls::sandbox() else { return };
    for (item, right, wrong) in bugs() {
        debugbench::scoreable(&item, &sandbox).unwrap();
        for form in [
            right.to_owned(),
            format!("The fault:\n```python\n{right}\n```\nNow it works:\n```python\nprint(1)\n```"),
        ] {
            let score = debugbench::score(&item, &form, &sandbox);
            assert!(score.right && score.answer.is_some(), "{score:?}\n{form}");
        }
        let score = debugbench::score(&item, wrong, &sandbox);
        assert!(!score.right && score.answer.is_some() && score.error.is_none(), "{score:?}\n{wrong}");
        for nothing in ["", "No.", "```python\nprint(1)\n```"] {
            let score = debugbench::score(&item, nothing, &sandbox);
            assert!(!score.right && score.answer.is_none() && score.error.is_none(), "{score:?}");
        }
    }
}

#[test]
fn no_cheat_is_right_on_mended_code() {
    let Some(sandbox) = walls::sandbox() else { return };
    let item = bug(&[
        ("slug", "halves"),
        ("examples", "Input: numbers = [4, 7]\nOutput: [2, 3]\n\nInput: numbers = []\nOutput: []"),
        (
            "oracle_code",
            "class Solution:\n    def halves(self, numbers: List[int]) -> List[int]:\n        return [n // 2 for n in numbers]",
        ),
    ]);
    let right = "class Solution:\n    def halves(self, numbers): return [n // 2 for n in numbers]";
    assert!(debugbench::score(&item, right, &sandbox).right);
    CHEATS.par_iter().for_each(|cheat| {
        let cheat = format!(
            "{cheat}\nclass Solution:\n    def halves(self, numbers): return globals()['halves'](numbers)"
        );
        let score = debugbench::score(&item, &cheat, &sandbox);
        assert!(!score.right && score.error.is_none(), "{score:?}\n{cheat}");
    });
}

#[test]
fn an_item_whose_oracle_fails_is_not_scoreable() {
    let Some(sandbox) = walls::sandbox() else { return };
    for (examples, oracle) in [
        ("Input: n = 1\nOutput: 1", "class Solution:\n    def f(self, n): return 1 / 0"),
        ("Input: n = 1\nOutput: 1", "class Solution:\n    def f(self, n): return random.random()"),
        ("Input: n = 1\nOutput: 1", "class Solution:\n    def f(self, n): return object()"),
        ("Input: n = {x\nOutput: 1", "class Solution:\n    def f(self, n): return n"),
        ("Input: n = 1\nOutput: 1", "class Solution:\n    def f(self, n, m): return n"),
        ("", "class Solution:\n    def f(self, n): return n"),
    ] {
        let item = bug(&[("examples", examples), ("oracle_code", oracle)]);
        assert!(
            matches!(debugbench::scoreable(&item, &sandbox), Err(debugbench::Unscoreable::Item(_))),
            "{oracle}"
        );
        let score = debugbench::score(&item, oracle, &sandbox);
        assert!(oracle.contains("random") || !score.right && score.marks["unscoreable"] == 1.0, "{score:?}");
    }
}

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
        "import threading, os\nthreading.Thread(target=lambda: os._exit(0)).start()",
        "import os\nfor number in range(1, 20):\n    try: os.write(number, b'\\npassed {\"chosen\": 0, \"classes\": {\"A\": [1, 1]}, \"how\": \"\"}\\n')\n    except OSError: pass",
    ];
    cheats.par_iter().for_each(|cheat| {
        let code = format!("{cheat}\nclass Box:\n    def __init__(self): self.sizes = None\n    def add(self, size): pass\n    def root(self): return None");
        let score = classeval::score(&item, &code, &sandbox);
        assert!(!score.right && score.error.is_none(), "{score:?}\n{cheat}");
    });
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

fn timed<T>(name: &str, count: usize, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    let each = begun.elapsed().as_secs_f64() * 1e3 / count.max(1) as f64;
    eprintln!(
        "{name}: {count} replies, {each:.0} ms each by the clock on {} threads",
        rayon::current_num_threads()
    );
    result
}

fn humaneval_file(sandbox: &Sandbox, form: impl Fn(&TaskItem) -> String + Sync) -> Option<(usize, usize)> {
    let items = items(&file("humaneval/HumanEval.jsonl")?, "task_id");
    let scores: Vec<_> = timed("HumanEval", items.len(), || {
        items.par_iter().map(|item| humaneval::score(item, &form(item), sandbox)).collect()
    });
    for (score, item) in scores.iter().zip(&items).filter(|(score, _)| !score.right).take(5) {
        eprintln!("not right: {} {:?}", item.id, score.marks);
    }
    Some(count(&scores))
}

fn head(item: &TaskItem) -> &str {
    let prompt = &item.fields["prompt"];
    &prompt[prompt.rfind(&format!("def {}(", item.fields["entry_point"])).unwrap()..]
}

#[test]
fn humaneval_in_full_has_all_its_solutions_right() {
    let Some(sandbox) = walls::sandbox() else { return };
    let body = |item: &TaskItem| item.fields["canonical_solution"].clone();
    let Some(plain) = humaneval_file(&sandbox, body) else { return };
    assert_eq!(plain, (164, 0));
}

#[test]
#[ignore = "some minutes: all of HumanEval in five forms and two cheats"]
fn humaneval_in_full_in_every_form() {
    let Some(sandbox) = walls::sandbox() else { return };
    let body = |item: &TaskItem| item.fields["canonical_solution"].clone();
    let fence = |text: String| format!("```python\n{text}\n```");
    let whole = |item: &TaskItem| format!("{}{}", item.fields["prompt"], body(item));
    let Some(plain) = humaneval_file(&sandbox, body) else { return };
    assert_eq!(plain, (164, 0));
    let check = |form: &(dyn Fn(&TaskItem) -> String + Sync)| humaneval_file(&sandbox, form).unwrap();
    assert_eq!(check(&|item| fence(body(item))), (164, 0));
    assert_eq!(check(&|item| fence(format!("{}{}", head(item), body(item)))), (164, 141));
    assert_eq!(check(&|item| fence(whole(item))), (164, 164));
    let example = |item: &TaskItem| fence(format!("print({})", item.fields["entry_point"]));
    assert_eq!(check(&|item| fence(whole(item)) + "\nFor example:\n" + &example(item)), (164, 0));
    let exit = |item: &TaskItem| {
        fence(format!("{}    import os\n    os._exit(0)\n    return None\n", item.fields["prompt"]))
    };
    assert_eq!(check(&exit).0, 0);
    assert_eq!(check(&|item| fence(format!("{}    return None\n", item.fields["prompt"]))).0, 0);
}

#[test]
#[ignore = "about ten minutes: all of DebugBench, its solutions and its faults"]
fn debugbench_in_full() {
    let Some(sandbox) = walls::sandbox() else { return };
    let Some(values) = file("debugbench/debugbench_python3.jsonl") else { return };
    let items = items(&values, "id");
    let scores = |field: &'static str| -> Vec<Score> {
        timed(field, items.len(), || {
            items.par_iter().map(|item| debugbench::score(item, &item.fields[field], &sandbox)).collect()
        })
    };
    let oracle = scores("oracle_code");
    for (score, item) in oracle.iter().zip(&items).filter(|(score, _)| !score.right) {
        let why = debugbench::scoreable(item, &sandbox);
        eprintln!("{} {}: {why:?}, {:?}", item.id, item.fields["slug"], score.marks);
    }
    eprintln!("oracle (ours, upstream's): {:?} of {}", count(&oracle), items.len());
    let buggy = scores("buggy_code");
    eprintln!("buggy (ours, upstream's): {:?} of {}", count(&buggy), items.len());
    let (ours, theirs) = count(&oracle);
    assert!(ours * 100 >= items.len() * 98, "{ours}");
    // 306 of 400 in a sample that was not recorded: 76.5 %, give or take three standard errors.
    let share = theirs as f64 / items.len() as f64;
    assert!((share - 0.765).abs() < 3.0 * (0.765_f64 * 0.235 / 400.0).sqrt(), "{share}");
    assert!(count(&buggy).0 * 100 < items.len() * 5);
}

#[test]
#[ignore = "a minute: all of ClassEval, its solutions and its skeletons"]
fn classeval_in_full() {
    let Some(sandbox) = walls::sandbox() else { return };
    let Some(values) = file("classeval/ClassEval_data.json") else { return };
    let mut items = items(&values, "task_id");
    for item in &mut items {
        let imports = item.fields["import_statement"].replace("\n\n", "\n");
        item.fields.insert("imports".to_owned(), imports);
    }
    let scores = |field: &'static str| -> Vec<Score> {
        timed(field, items.len(), || {
            items
                .par_iter()
                .map(|item| {
                    classeval::score(item, &format!("```python\n{}\n```", item.fields[field]), &sandbox)
                })
                .collect()
        })
    };
    let gold = scores("solution_code");
    for (score, item) in gold.iter().zip(&items).filter(|(score, _)| !score.right) {
        eprintln!("{}: {:?}, {:?}", item.id, classeval::scoreable(item, &sandbox), score.marks);
    }
    let (ours, theirs) = count(&gold);
    eprintln!("solutions (ours, upstream's): {ours}, {theirs} of {}", items.len());
    let empty = count(&scores("skeleton"));
    eprintln!("skeletons (ours, upstream's): {empty:?}");
    // What is not right takes modules beyond the standard ones, which the interpreter may have or not.
    assert!(ours >= 80 && empty.0 == 0, "{ours} {empty:?}");
}
