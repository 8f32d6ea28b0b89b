use proptest::prelude::*;

use super::*;
use crate::task::TaskItem;

type Scorer = fn(&TaskItem, &str) -> Score;

pub(super) fn item(answer: &str) -> TaskItem {
    TaskItem {
        id: "1".to_owned(),
        family: String::new(),
        context: String::new(),
        question: String::new(),
        answer: answer.to_owned(),
        reply: answer.to_owned(),
        fields: BTreeMap::new(),
    }
}

/// Gold answer, reply, and whether we and the upstream project's rules call it right.
fn check(scorer: Scorer, cases: &[(&str, &str, bool, bool)]) {
    for (gold, reply, right, compat) in cases {
        let score = scorer(&item(gold), reply);
        assert_eq!(
            (score.right, score.marks[COMPAT] == 1.0),
            (*right, *compat),
            "gold {gold:?}, reply {reply:?}: {score:?}"
        );
        assert_eq!(score.error, None);
    }
}

#[test]
fn gsm8k_takes_a_number_in_any_form_where_an_answer_stands() {
    check(
        gsm8k::score,
        &[
            // What upstream reads wrongly, by the research of its scorer.
            ("0.5", r"\boxed{\frac{1}{2}}", true, false),
            ("1000", r"\boxed{1{,}000}", true, false),
            ("12", r"\boxed{x = 3, so 12}", false, false),
            ("3", r"\boxed{x = 3, so 12}", false, true),
            ("5", r"\boxed{5.00}", true, false),
            // Both.
            ("18", r"So \boxed{18}.", true, true),
            ("18", r"\boxed{\$18.0}", true, true),
            ("18", r"\boxed{18 \text{ dollars}}", true, true),
            ("18", r"\boxed{18 eggs per day}", true, true),
            ("18", r"\boxed{\text{18 dollars}}", true, true),
            ("-10", "the sum is\n#### -10", true, true),
            ("1450000", "#### 1,450,000", true, true),
            ("18", "The answer is $18. She sells 9 eggs for 2.", true, true),
            ("18", "**Answer:** 18 dollars.", true, true),
            ("18", "18", true, true),
            ("18", r"x \boxed{17} no, \boxed{x = 18}", true, true),
            // A number somewhere is no answer.
            ("18", "She has 18 eggs and sells them.\nSo she is rich.", false, true),
            ("18", "9 + 9 = 18\nThe rest", false, true),
            // Cut, absent, another one.
            ("18", r"The answer is \boxed{18", false, true),
            ("18", r"\boxed{}", false, false),
            ("18", "", false, false),
            ("18", r"\boxed{19}", false, false),
            ("18", r"\boxed{18 or 19}", false, true),
        ],
    );
    assert_eq!(gsm8k::score(&item("18"), r"is \boxed{18").answer, None);
    assert_eq!(gsm8k::score(&item("18"), "no idea\nat all").answer, None);
    assert_eq!(gsm8k::score(&item("18"), r"\boxed{ 18 }").answer.as_deref(), Some("18"));
}

#[test]
fn math_takes_equal_values_and_no_others() {
    let half = r"\frac{1}{2}";
    let boxed = |text: &str| format!(r"The answer is $\boxed{{{text}}}$.");
    for (gold, said, right, compat) in [
        // What upstream calls wrong, by the research of its scorer.
        (half, r"\frac12", true, false),
        (half, r"\dfrac{1}{2}", true, false),
        (half, "0.5", true, false),
        (half, "1/2", true, false),
        ("10000", "10,000", true, false),
        ("5", "x=5", true, false),
        ("x=5", "5", true, false),
        ("90", r"90^\circ", true, false),
        ("5", r"5\%", true, false),
        ("3", "3 cm", true, false),
        ("3", r"3\text{ cm}", true, false),
        // Both.
        (half, half, true, true),
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac{\pi}{2})", true, true),
        (r"\text{Evelyn}", "Evelyn", true, true),
        // Ours.
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \pi/2)", true, false),
        (r"11,\! 111,\! 111,\! 100", "11111111100", true, false),
        (r"1\frac{4}{5}", "9/5", true, false),
        (r"3\sqrt{13}", r"\sqrt{117}", true, false),
        (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt3}", true, false),
        ("1,-2", "-2, 1", true, false),
        ("1,-2", r"\{-2, 1\}", true, false),
        (r"1 \pm \sqrt{19}", r"1+\sqrt{19} \text{ and } 1-\sqrt{19}", true, false),
        (r"\text{(C)}", "C", true, false),
        (r"52_8", "52_{8}", true, false),
        ("15\\mbox{ cm}^2", "15", true, false),
        (r"864 \mbox{ inches}^2", "864 square inches", true, false),
        (r"x \in [-2,7]", "[-2, 7]", true, false),
        ("2k+2", "2 + 2k", true, false),
        (r"\frac{11+9a}{20}", r"\frac{9a + 11}{20}", true, false),
        (r".0000672", r"6.72 \times 10^{-5}", true, false),
        (r"(0,9) \cup (9,36)", r"(9, 36) \cup (0, 9)", true, false),
        (
            r"\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}",
            r"\begin{bmatrix} -\frac13 \\[1ex] 2/3 \end{bmatrix}",
            false,
            false,
        ),
        (
            r"\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}",
            r"\begin{pmatrix}-\frac13\\\frac23\end{pmatrix}",
            true,
            false,
        ),
        // Neither.
        ("(1, 2)", "(2, 1)", false, false),
        ("(1, 2)", "[1, 2]", false, false),
        ("(1, 2)", "1, 2", false, false),
        ("x=5", "y=5", false, false),
        ("52_8", "52", false, false),
        ("(a+5)(b+2)", "ab+2a+5b+10", false, false),
        ("0.333", r"\frac{1}{3}", false, false),
        (r"\sqrt{2}", "1.41421356", false, false),
        ("2", "-2", false, false),
        ("even", "odd", false, false),
        ("100", "10,0", false, false),
        (half, "", false, false),
        // Upstream takes the words for the whole.
        (r"5.4 \text{ cents}", r"7 \text{ cents}", false, true),
    ] {
        check(math::score, &[(gold, &boxed(said), right, compat)]);
    }
    check(
        math::score,
        &[
            ("5", "The answer is 5", true, true),
            ("1.5", "The answer is 1.5.", true, false),
            ("5", r"\boxed{4}, rather \boxed{5", false, false),
            ("5", r"\boxed{5}, rather \boxed{6", false, true),
            ("5", "five, or 5, somewhere\nin the text", false, false),
            ("5", "", false, false),
        ],
    );
    assert_eq!(math::score(&item("5"), r"\boxed{5").answer, None);
}

#[test]
fn hotpot_reads_a_line_and_normalises_as_the_data_set_does() {
    check(
        hotpot::score,
        &[
            // What upstream reads wrongly, by the research of its scorer.
            ("yes", "Answer: Yes, both were American.", true, false),
            ("St. Louis", "The answer is St. Louis", true, false),
            ("U.S.A.", "Answer: USA", true, false),
            // Both.
            ("no", "Answer: No", true, true),
            ("the North Atlantic Conference", "Answer: North Atlantic Conference.", true, true),
            ("3,677 seated", "3,677 seated", true, true),
            ("Rome", "They were there.\nanswer: Rome\n", true, true),
            // The last line, the first announcement: upstream's.
            ("Rome", "They were there.\nRome", false, true),
            ("Rome", "Answer: Rome\nor\nAnswer: Paris", false, true),
            ("Rome", "Answer: Paris\nor\nAnswer: **Rome**", true, false),
            // Neither.
            ("yes", "Answer: No, yes", false, false),
            ("Yes Minister", "Answer: yes", false, false),
            ("Rome", "Answer: Rome, Italy", false, false),
            ("Rome", "Answer:", false, false),
            ("Rome", "", false, false),
        ],
    );
    let marks = |gold: &str, reply: &str| hotpot::score(&item(gold), reply).marks;
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(close(marks("Rome", "Answer: Rome, Italy")["f1"], 2.0 / 3.0));
    assert!(close(marks("a b b", "Answer: b b c")["f1"], 0.8));
    assert!(close(marks("yes", "Answer: yes")["f1"], 1.0));
    // Nothing in part for a yes or a no that is wrong.
    assert!(close(marks("yes we can", "Answer: yes")["f1"], 0.0));
    assert!(close(marks("yes we can", "Answer: yes")["compat_f1"], 0.5));
    assert!(close(marks("Rome", "")["f1"], 0.0));
    assert_eq!(hotpot::score(&item("Rome"), "Answer:").answer, None);
}

#[test]
fn choices_are_letters_or_yes_and_no() {
    let choices = "A. red\nB. light blue\nC. a mammal\nD. option\nE. none";
    let with = |answer: &str| TaskItem {
        fields: BTreeMap::from([("choices".to_owned(), choices.to_owned())]),
        ..item(answer)
    };
    for (gold, reply, right, compat) in [
        ("B", "Answer: B", true, true),
        ("B", "B", true, true),
        ("B", "It is blue.\n(B)", true, true),
        ("B", r"So \boxed{\text{B}}.", true, true),
        ("B", "The answer is (B) light blue.", true, true),
        ("B", "The answer is **b**", true, true),
        ("B", "Answer: B. light blue", true, true),
        ("B", "Answer: light blue", true, false),
        ("C", "The answer is a mammal.", true, false),
        ("E", "Answer: E", true, false),
        ("A", "The answer is a mammal.", false, true),
        ("A", "That is a hard one.\nIt may be C.", false, true),
        ("B", "Answer: B or C", false, true),
        ("B", "Answer: Blue", false, false),
        ("B", "Answer:", false, false),
        ("B", r"\boxed{B", false, true),
        ("B", "", false, false),
    ] {
        let score = choice::score(&with(gold), reply);
        assert_eq!(
            (score.right, score.marks[COMPAT] == 1.0),
            (right, compat),
            "gold {gold}, reply {reply:?}: {score:?}"
        );
    }
    check(
        choice::score,
        &[
            ("Yes", "Answer: Yes", true, true),
            ("No", "The answer is no.", true, true),
            ("No", "It could be yes.\nNo.", true, true),
            ("Yes", "Yes, since it is.", true, true),
            ("No", "Answer: No, though some say yes", true, true),
            ("Yes", "I have no doubt.\nSome would say so: yes, indeed.", false, true),
            ("Yes", "Answer: maybe", false, false),
            ("No", "nothing", false, false),
            ("No", "", false, false),
        ],
    );
    assert_eq!(choice::score(&item("No"), "maybe").answer, None);
}

/// Every pattern is one, and no reply is too long, too deep or too odd.
#[test]
fn hostile_replies_are_scored_soon() {
    let deep = |open: &str, close: &str| format!(r"\boxed{{{}1{}}}", open.repeat(200), close.repeat(200));
    let replies = [
        "\\boxed{".repeat(8_000),
        "{".repeat(60_000),
        "answer is ".repeat(6_000),
        "answer".repeat(10_000),
        format!("\\boxed{{{}}}", "1\\frac{".repeat(140)),
        deep("{", "}"),
        deep("(", ")"),
        deep("\\sqrt{", "}"),
        deep("-", ""),
        deep("\\{1,", "\\}"),
        deep("2^{", "}"),
        format!("\\boxed{{{}}}", "9".repeat(900)),
        format!("\\boxed{{{}}}", "99999999999999999999/".repeat(40)),
        format!("\\boxed{{{}}}", "1\\pm".repeat(200)),
        format!("\\boxed{{{}}}", "{,}".repeat(300)),
        "\\boxed{\\sqrt{999983}}\\boxed{x^{99999999999999999999}}".to_owned(),
        "\\boxed{\\text{".to_owned(),
        "ä\u{301}ß∞".repeat(14_000),
    ];
    for scorer in [gsm8k::score as Scorer, math::score, hotpot::score, choice::score] {
        for reply in &replies {
            assert!(!scorer(&item("5"), reply).right, "{}", &reply.chars().take(40).collect::<String>());
        }
    }
}

/// Pieces that formulas are made of.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "1",
        "2",
        "12",
        "0",
        ".",
        ",",
        "x",
        "i",
        " ",
        "-",
        "+",
        "*",
        "/",
        "^",
        "_",
        "=",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "\\{",
        "\\}",
        "\\frac",
        "\\sqrt",
        "\\pi",
        "\\pm",
        "\\text{cm}",
        "\\text{or}",
        " and ",
        "\\cup",
        "\\in",
        "\\begin{pmatrix}",
        "\\end{pmatrix}",
        "\\\\",
        "&",
        "\\left",
        "\\,",
        "$",
        "\\",
        "^\\circ",
        "é",
        "\\infty",
        "!",
        "'",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// A formula is itself, whatever it is, and being the same goes both ways.
    #[test]
    fn a_formula_is_itself(one in pieces(), other in pieces()) {
        prop_assert!(math::is_same(&one, &one));
        prop_assert_eq!(math::is_same(&one, &other), math::is_same(&other, &one));
    }

    #[test]
    fn fractions_are_compared_exactly(top in -999_i64..999, bottom in 1_i64..999, factor in 1_i64..99, more in 1_i64..99) {
        let one = format!("\\frac{{{top}}}{{{bottom}}}");
        let same = format!("{}/{}", top * factor, bottom * factor);
        let unlike = format!("\\dfrac{{{}}}{{{}}}", top * more + 1, bottom * more);
        prop_assert!(math::is_same(&one, &same), "{} {}", one, same);
        prop_assert!(!math::is_same(&one, &unlike), "{} {}", one, unlike);
    }

    #[test]
    fn decimals_are_what_they_say(value in 0_i64..100_000_000, places in 0_usize..6) {
        let digits = format!("{value:0>width$}", width = places + 1);
        let (whole, part) = digits.split_at(digits.len() - places);
        let decimal = format!("{whole}.{part}");
        let fraction = format!("\\frac{{{value}}}{{{}}}", 10_i64.pow(places as u32));
        let longer = format!("{whole}.{part}1");
        prop_assert!(math::is_same(&decimal, &fraction));
        prop_assert!(!math::is_same(&decimal, &longer));
    }

    #[test]
    fn thousands_have_commas(value in 0_u64..10_000_000_000) {
        let digits = value.to_string();
        let mut grouped = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let score = gsm8k::score(&item(&digits), &format!("#### {grouped}"));
        prop_assert!(score.right && score.marks[COMPAT] == 1.0);
    }

    /// Any text at all, before and in place of an answer.
    #[test]
    fn any_reply_has_a_score(reply in any::<String>(), pieces in pieces()) {
        for scorer in [gsm8k::score as Scorer, math::score, hotpot::score, choice::score] {
            for text in [reply.clone(), format!("{reply}\\boxed{{{pieces}}}"), format!("answer is {pieces}")] {
                let score = scorer(&item("no such answer"), &text);
                prop_assert!(!score.right && score.marks.values().all(|mark| (0.0..=1.0).contains(mark)));
            }
        }
    }
}
