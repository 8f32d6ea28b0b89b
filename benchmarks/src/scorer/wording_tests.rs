//! How answers are worded: explanations, markup, units, lists; and what only looks like an answer.

use std::time::{Duration, Instant};

use super::tests::item;
use super::*;
use crate::task::TaskItem;

/// Far above what any reply takes on a slow machine that does other work; far below what quadratic time takes.
const SOON: Duration = Duration::from_secs(10);

/// Gold answer, reply, and whether that is right.
fn holds(scorer: fn(&TaskItem, &str) -> Score, cases: &[(&str, &str, bool)]) {
    for (gold, reply, right) in cases {
        let score = scorer(&item(gold), reply);
        assert_eq!(score.right, *right, "gold {gold:?}, reply {reply:?}: {score:?}");
    }
}

#[test]
fn digits_with_spaces_between_them_are_groups_or_mixed_numbers() {
    let cases = [
        ("11/2", r"\boxed{1 1/2}", false),
        ("1.5", r"\boxed{1 1/2}", true),
        ("-1.5", r"\boxed{-1 1/2}", true),
        ("34", r"\boxed{3 4}", false),
        ("34", r"\boxed{$3$ $4$}", false),
        ("34", r"\boxed{3\,4}", false),
        ("34", r"\boxed{3\ 4}", false),
        ("3.4", r"\boxed{3. 4}", false),
        ("1234567", r"\boxed{1 234 567}", true),
        ("10000", r"\boxed{10\,000}", true),
        ("10000", r"\boxed{10,\! 000}", true),
        ("1234", r"\boxed{1 23 4}", false),
        ("1234000", r"\boxed{1234 000}", false),
        ("31/2", r"\boxed{3 1/2/1}", false),
        ("0.5", r"\boxed{\frac 1 2}", true),
    ];
    holds(math::score, &cases);
    holds(gsm8k::score, &cases);
}

#[test]
fn words_behind_a_number_say_what_is_counted() {
    holds(
        gsm8k::score,
        &[
            ("18", r"\boxed{18 + x}", false),
            ("18", r"\boxed{18 ≤ x}", false),
            ("18", r"\boxed{18 hundred}", false),
            ("18", "Answer: 18 hundred", false),
            ("18", "Answer: 18 or nineteen", false),
            ("20", r"\boxed{20 - y}", false),
            ("3", "Answer: 3 thousand", false),
            ("3", "Answer: 3 million dollars", false),
            ("3", "Answer: 3 dozen", false),
            ("3", "Answer: 3 and a half", false),
            ("3", r"\boxed{3 x}", false),
            ("3", r"\boxed{3 = x}", false),
            ("18", "Answer: 18 eggs", true),
            ("18", "Answer: 18 miles/hour", true),
            ("18", "Answer: 18 two-hour trips", true),
        ],
    );
    holds(
        math::score,
        &[
            ("5", r"\boxed{5\text{ million}}", false),
            ("3", r"\boxed{3\text{ or more}}", false),
            ("4", r"\boxed{4\text{ not 5}}", false),
            ("4", r"\boxed{4\text{, not five}}", false),
            ("x", r"\boxed{x\text{ is odd}}", false),
            ("5", r"\boxed{5\text{ if x is odd}}", false),
            ("5", r"\boxed{5\text{ and more}}", false),
            ("5", r"\boxed{5\text{ apples}}", true),
            (r"5\text{ million}", r"\boxed{5 \text{ million}}", true),
        ],
    );
}

#[test]
fn yes_and_no_stand_alone() {
    for (yes, no, scorer) in
        [("yes", "no", hotpot::score as fn(&TaskItem, &str) -> Score), ("Yes", "No", choice::score)]
    {
        holds(
            scorer,
            &[
                (no, "Answer: No information is given.", false),
                (no, "No one knows.", false),
                (no, "Answer: No one knows.", false),
                (yes, "Yes and no", false),
                (no, "Answer: Yes and no", false),
                (no, "Answer: No.", true),
                (yes, "'Yes'", true),
                (no, "Answer: **No**", true),
                (no, "Answer: No – they were not.", true),
                (yes, "Answer: Yes, both were American.", true),
                (yes, "Answer: Yes (both were American)", true),
                (yes, "Answer: Yes because both were American", true),
                (yes, r"\boxed{\text{Yes}}", true),
            ],
        );
    }
}

#[test]
fn sets_in_lists_and_determinants_are_what_they_are() {
    holds(
        math::score,
        &[
            ("1,2,3", r"\boxed{\{1,2\},\{3\}}", false),
            (r"\{1,2\}", r"\boxed{\{\{1,2\}\}}", false),
            (r"\{3\},\{1,2\}", r"\boxed{\{2,1\},\{3\}}", true),
            (r"1 \pm \sqrt{2}, 3", r"\boxed{3, 1-\sqrt{2}, 1+\sqrt2}", true),
            (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\boxed{\begin{vmatrix}1&2\\3&4\end{vmatrix}}", false),
            (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\boxed{\begin{bmatrix}1&2\\3&4\end{bmatrix}}", true),
            ("1", r"\boxed{\begin}1\end", false),
            ("1", r"\boxed{\begin}1\end}", false),
        ],
    );
}

#[test]
fn a_line_that_begins_with_answer_goes_before_a_later_sentence() {
    for later in [
        "\n\nThis answer is based on paragraph 2.",
        "\nThis answer is correct.",
        "\n\nLet me double check the answer: 9*2=18. Correct.",
    ] {
        holds(hotpot::score, &[("Paris", &format!("Answer: Paris{later}"), true)]);
        for scorer in [gsm8k::score, math::score] {
            holds(
                scorer,
                &[
                    ("18", &format!("Answer: 18{later}"), true),
                    ("18", &format!("So.\n**Final Answer:** 18{later}"), true),
                    ("18", &format!("Answer: 17\nAnswer: 18{later}"), true),
                    ("17", &format!("Answer: 17\nAnswer: 18{later}"), false),
                ],
            );
        }
    }
    for scorer in [gsm8k::score, math::score, hotpot::score] {
        holds(
            scorer,
            &[
                ("18", "## Answer\n18", true),
                ("18", "**Final Answer**\n\n18\n", true),
                ("18", "Answer：18", true),
                ("18", "#### Answer\n18", true),
                ("18", "Final Answer: The final answer is 18", true),
                ("18", "Answer\n18", false),
            ],
        );
    }
    holds(hotpot::score, &[("Paris", "# Answer\nParis", true)]);
}

#[test]
fn an_explanation_may_follow_on_the_same_line() {
    let both = [
        ("18", "The answer is 18 because 9 + 9 = 18.", true),
        ("18", "The answer is 18, since 9 + 9 is that.", true),
        ("18", r"Answer: $9 \times 2 = 18$", true),
        ("18", r"\boxed{9 \times 2 = 18}", true),
        ("18", "The answer is about 18 dollars.", true),
        ("18", "The answer is therefore 18.", true),
        ("18", "The answer is, therefore, 18.", false),
        ("5", "The answer is $5$, which is prime.", true),
        ("17", "The answer is 18 because 17 is less.", false),
        ("18", r"\boxed{x < 9 = 18}", false),
        ("18", r"\boxed{x = 17, y = 18}", false),
        ("18", r"\boxed{x \ne 9 = 18}", false),
    ];
    holds(gsm8k::score, &both);
    holds(math::score, &both);
    holds(
        gsm8k::score,
        &[
            ("18", "The answer is: 18 eggs (16 - 3 + 5)", true),
            ("18", "Answer: 16 - 3 + 5 eggs = 18 eggs", true),
            ("2000", "Answer: 1,000 * 2 = 2,000", true),
            ("18", "Answer: x != 18", false),
            ("18", "Answer: x = 17 or x = 18", false),
            ("18", "Answer: x >= 18", false),
            ("18", "Answer: 9 x 2 = 18", true),
            ("18", r"\boxed{x = 9 \times 2 = 18}", true),
            ("18", r"\boxed{3x = 18}", false),
            ("18", r"\boxed{x + 2 = 18}", false),
            ("18", "The answer is 18 (thousand)", false),
            ("18", "The answer is 18 (or 19)", false),
        ],
    );
    holds(
        math::score,
        &[
            ("3", r"\boxed{x + y = 3}", false),
            ("x + y = 3", r"\boxed{3}", false),
            ("18", r"\boxed{x = 9 \times 2 = 18}", true),
            ("18", r"\boxed{9 \times 3 = 18}", false),
        ],
    );
    let choices = BTreeMap::from([("choices".to_owned(), "A. red\nB. blue\nC. green".to_owned())]);
    let item = TaskItem { fields: choices, ..item("B") };
    for (reply, right) in [
        ("The answer is B because light scatters.", true),
        ("B, since light scatters.", true),
        ("Answer: blue (light scatters)", true),
        ("The answer is therefore B.", true),
        ("The answer is B or C because light scatters.", false),
    ] {
        assert_eq!(choice::score(&item, reply).right, right, "{reply}");
    }
}

#[test]
fn marks_around_an_answer_are_no_part_of_it() {
    holds(
        gsm8k::score,
        &[
            ("18", "#### **18**", true),
            ("18", r"\boxed{\textbf{18}}", true),
            ("18", r"\boxed{\mathbf{18}}", true),
            ("18", r"\boxed{\mathrm{18}}", true),
            ("18", "Answer: `18`", true),
            ("18", "Answer: \"18\"", true),
            ("18", "The answer is 18!", true),
            ("18", r"\boxed{18!}", false),
            ("18", r"\boxed{\text{Total: } 18}", true),
            ("18", r"\boxed{\text{not } 18}", false),
            ("18", "Answer: 17:18", false),
        ],
    );
    holds(
        math::score,
        &[
            ("18", r"\boxed{\textbf{18}}", true),
            ("18", r"\boxed{\mathbf{18}}", true),
            ("18", "Answer: `18`", true),
            ("18", "The answer is **18**.", true),
            ("18", "The answer is 18!", false),
        ],
    );
    holds(
        hotpot::score,
        &[
            ("Paris", r"\boxed{Paris}", true),
            ("Paris", r"So \boxed{\text{Paris}}.", true),
            ("Paris", r"\boxed{London}", false),
            ("Paris", "Answer: \"Paris\"", true),
            ("don't", "Answer: Don’t", true),
            ("don’t", "Answer: don't", true),
            ("Beyoncé", "Answer: Beyonce\u{301}", true),
            ("Beyoncé", "Answer: Beyonce", false),
        ],
    );
}

#[test]
fn an_empty_box_takes_nothing_from_one_before_it() {
    for scorer in [gsm8k::score, math::score] {
        holds(
            scorer,
            &[
                ("18", r"\boxed{18} in \boxed{}", true),
                ("18", r"\boxed{18} in \boxed{ }.", true),
                ("18", r"\boxed{18} in \boxed.", true),
                ("18", "\\boxed{18}\\", true),
                ("18", r"\boxed{18} in \box", false),
                ("18", r"\boxed{18} in \boxed{", false),
            ],
        );
        assert_eq!(scorer(&item("18"), r"\boxed{}").answer, None);
        assert_eq!(scorer(&item("18"), "The answer is $\\").answer, None);
    }
}

#[test]
fn formulas_may_be_written_in_more_ways() {
    holds(
        math::score,
        &[
            ("1,-2", r"\boxed{x=1, x=-2}", true),
            ("1,-2", r"\boxed{x = 1 \text{ or } x = -2}", true),
            ("1,-2", r"\boxed{x=1, y=-2}", false),
            ("x=1,y=-2", r"\boxed{1,-2}", false),
            ("3,4", r"\boxed{3} and \boxed{4}", true),
            ("3,4", r"$\boxed{4}$, $\boxed{3}$", true),
            ("4", r"\boxed{3} or \boxed{4}", false),
            ("4", r"\boxed{3}, rather \boxed{4}", true),
            (r"x \ge 2", r"\boxed{x \geqslant 2}", true),
            (r"x \le 2", r"\boxed{x \leqslant 2}", true),
            (r"\frac{1}{2}", r"\boxed{½}", true),
            (r"\frac{11}{2}", r"\boxed{5½}", true),
            ("x^2", r"\boxed{x²}", true),
            ("10", r"\boxed{10_{10}}", true),
            ("10", r"\boxed{10_{2}}", false),
            (r"\text{even}", r"\boxed{\text{Even.}}", true),
            ("xy", r"\boxed{yx}", true),
            ("xy", r"\boxed{x \cdot y}", true),
            ("xy", r"\boxed{xz}", false),
            (r"\text{no}", r"\boxed{No}", true),
        ],
    );
}

#[test]
fn time_does_not_grow_with_the_square_of_a_reply() {
    let replies = [
        r"\boxed{}".repeat(30_000),
        r"\boxed{3}, ".repeat(20_000),
        format!("{}{}", r"\boxed{ ".repeat(30_000), "}"),
        "Answer:\n".repeat(30_000),
        "#".repeat(250_000),
        "*\n".repeat(120_000),
        format!("Answer: {}", "1 x ".repeat(60_000)),
        format!("Answer: {}", "\\text{".repeat(40_000)),
        format!("Answer: {}", "about ".repeat(40_000)),
        format!("Answer: {}", "x=".repeat(120_000)),
        format!("Answer: {}", " because".repeat(30_000)),
        format!(r"\boxed{{{}}}", "1 ".repeat(499)),
        format!(r"\boxed{{{}}}", "x=1,".repeat(249)),
    ];
    for reply in &replies {
        let start = Instant::now();
        let line = said::announced(reply).unwrap_or(reply);
        let found = (said::boxed(reply), said::boxes(reply).len(), said::stated(reply));
        let read = (said::yes_no(line), said::unmarked(said::claim(said::led(line))).len());
        assert!(
            start.elapsed() < SOON,
            "{:?} {found:?} {read:?}",
            reply.chars().take(20).collect::<String>()
        );
    }
    // What is read of them is bounded: the upstream project's patterns take most of the time of the rest.
    for reply in replies.iter().map(|reply| &reply[..reply.len().min(4_000)]) {
        for scorer in [gsm8k::score, math::score, hotpot::score, choice::score] {
            assert!(!scorer(&item("5"), reply).right, "{}", &reply[..20]);
        }
    }
}
