//! Code with a fault, mended.

use avp_bench::scorer::debugbench;
use avp_bench::task::TaskItem;
use rayon::prelude::*;

use crate::cheats::CHEATS;
use crate::{item, walls};

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

/// A comparison and the one that it was made into.
fn low(examples: &str) -> (TaskItem, String, String) {
    let [oracle, buggy] = ["<", "<="].map(|sign| {
        format!("class Solution:\n    def low(self, n: int) -> bool:\n        return n {sign} 5")
    });
    (bug(&[("examples", examples), ("oracle_code", &oracle), ("buggy_code", &buggy)]), oracle, buggy)
}

#[test]
fn an_item_whose_examples_do_not_show_the_fault_is_not_scoreable() {
    let Some(sandbox) = walls::sandbox() else { return };
    let (item, oracle, buggy) = low("Input: n = 1\nOutput: true");
    let why = debugbench::scoreable(&item, &sandbox).unwrap_err();
    assert_eq!(why, debugbench::Unscoreable::Item("its examples do not show the fault".to_owned()));
    for reply in [&oracle, &format!("```python\n{buggy}  # mended\n```")] {
        let score = debugbench::score(&item, reply, &sandbox);
        assert!(!score.right && score.marks["unscoreable"] == 1.0 && score.error.is_none(), "{score:?}");
    }
    let (item, oracle, _) = low("Input: n = 5\nOutput: false");
    debugbench::scoreable(&item, &sandbox).unwrap();
    assert!(debugbench::score(&item, &oracle, &sandbox).right);
    // A loop without an end shows itself.
    let endless = "class Solution:\n    def low(self, n: int) -> bool:\n        while True: pass";
    let item =
        bug(&[("examples", "Input: n = 1\nOutput: true"), ("oracle_code", &oracle), ("buggy_code", endless)]);
    assert!(debugbench::score(&item, &oracle, &sandbox).right);
}

#[test]
fn unchanged_code_is_wrong_and_marked() {
    let Some(sandbox) = walls::sandbox() else { return };
    let (item, oracle, buggy) = low("Input: n = 5\nOutput: false");
    for form in [buggy.clone(), format!("\n{}  ", buggy.replace(":\n", ":  # now right\n\n"))] {
        let score = debugbench::score(&item, &format!("```python\n{form}\n```"), &sandbox);
        assert!(!score.right && score.marks["unchanged"] == 1.0, "{score:?}\n{form}");
    }
    assert!(!debugbench::score(&item, &oracle, &sandbox).marks.contains_key("unchanged"));
    let other = "class Solution:\n    def low(self, n): return n <= 6";
    assert!(!debugbench::score(&item, other, &sandbox).marks.contains_key("unchanged"));
}

#[test]
fn a_method_that_slipped_out_of_its_class_is_not_put_back() {
    let Some(sandbox) = walls::sandbox() else { return };
    let head = "class Solution:\n    def help(self, a):\n        return a\n\n";
    let inside = "    def double(self, n):\n        return 2 * n";
    let outside = "def double(self, n):\n    return 2 * n";
    let item = bug(&[
        ("slug", "double"),
        ("examples", "Input: n = 3\nOutput: 6"),
        ("oracle_code", &format!("{head}{inside}")),
        ("buggy_code", &format!("{head}{outside}")),
    ]);
    debugbench::scoreable(&item, &sandbox).unwrap();
    for (reply, right) in [
        (format!("{head}{inside}"), true),
        (format!("{head}{outside}"), false),
        (format!("```python\n{head}{outside}\n```"), false),
        // Alone it is an answer in short.
        (outside.to_owned(), true),
    ] {
        assert_eq!(debugbench::score(&item, &reply, &sandbox).right, right, "{reply}");
    }
}

#[test]
fn an_oracle_that_is_ended_from_outside_is_no_fault_of_the_item() {
    let Some(sandbox) = walls::sandbox() else { return };
    for signal in ["SIGKILL", "SIGXCPU"] {
        let oracle = format!(
            "class Solution:\n    def f(self, n):\n        import os, signal\n        os.kill(os.getpid(), signal.{signal})"
        );
        let item = bug(&[("examples", "Input: n = 1\nOutput: 1"), ("oracle_code", &oracle)]);
        let why = debugbench::scoreable(&item, &sandbox);
        assert!(matches!(why, Err(debugbench::Unscoreable::Infrastructure(_))), "{why:?}");
        assert!(debugbench::score(&item, &oracle, &sandbox).error.is_some());
    }
}

#[test]
fn a_list_that_is_shortened_in_place_is_compared_as_far_as_it_counts() {
    let Some(sandbox) = walls::sandbox() else { return };
    let oracle = "class Solution:\n    def unique(self, nums: List[int]) -> int:\n        kept = sorted(set(nums))\n        nums[:len(kept)] = kept\n        return len(kept)";
    let item = bug(&[
        ("slug", "unique"),
        ("description", "Remove the duplicates in-place, so that each stands there once."),
        ("examples", "Input: nums = [1,1,2]\nOutput: 2, nums = [1,2,_]"),
        ("oracle_code", oracle),
    ]);
    let right = "class Solution:\n    def unique(self, nums):\n        nums[:] = sorted(set(nums))\n        return len(nums)";
    let counts = "class Solution:\n    def unique(self, nums):\n        return len(set(nums))";
    assert!(debugbench::score(&item, right, &sandbox).right);
    assert!(!debugbench::score(&item, counts, &sandbox).right);
}
