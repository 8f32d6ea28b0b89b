//! Functions from their description.

use avp_bench::scorer::{Score, humaneval};
use avp_bench::task::TaskItem;
use rayon::prelude::*;

use crate::cheats::CHEATS;
use crate::{compat, item, walls};

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
        // Constants of the module, before the function and among imports; a block in a list, and one behind text on its line.
        "TWO = 10**9 + 7 - 1000000005  # 2\n\ndef halves(numbers):\n    return [n // TWO for n in numbers]",
        "import math\nTWO = 2\n\ndef halves(numbers):\n    return [math.floor(n / TWO) for n in numbers]",
        "1. So:\n\n   ```python\n   def halves(numbers):\n       return [n // 2 for n in numbers]\n   ```\n2. Done.",
        "Here is the code: ```python\ndef halves(numbers):\n    return [n // 2 for n in numbers]\n```",
        // Code that a file would run stays out.
        "def halves(numbers):\n    return [n // 2 for n in numbers]\n\nhalves(input())\nassert halves([1]) == 2\n",
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
