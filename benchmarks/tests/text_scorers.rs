//! Published data sets in full, where they are on this machine, and the scorers of answers in words and numbers on them.

use std::path::{Path, PathBuf};

use avp_bench::dataset;
use avp_bench::scorer::{COMPAT, Score, choice, gsm8k, hotpot, math};
use avp_bench::task::TaskItem;

/// Scores a reply to an item.
type Scorer = fn(&TaskItem, &str) -> Score;

/// Says a gold answer in another form; one that has none stays as it is.
type Form<'a> = &'a dyn Fn(&str) -> String;

/// Data sets whose answers are words and numbers, with their scorers.
const SCORERS: [(&str, Scorer); 6] = [
    ("gsm8k", gsm8k::score),
    ("math500", math::score),
    ("hotpotqa", hotpot::score),
    ("strategyqa", choice::score),
    ("arc_challenge", choice::score),
    ("medqa", choice::score),
];
/// Replies that say nothing.
const NOTHING: [&str; 9] = [
    "",
    " ",
    "\n\n",
    "I do not know.",
    "The answer is",
    "Answer:",
    "####",
    r"\boxed{}",
    r"The answer is \boxed{",
];

/// The folder of data sets, or why there is nothing to test.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(dataset::DATA_VARIABLE).map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {} does not name a folder of data sets", dataset::DATA_VARIABLE);
    }
    folder
}

/// The items of a data set that is there; one that is not is left out, and said to be.
fn items(name: &str, folder: &Path) -> Option<Vec<TaskItem>> {
    match dataset::load(name, Some(folder)) {
        Ok(loaded) => Some(loaded.items),
        Err(dataset::Error::Absent { .. }) => {
            eprintln!("skipped: {name} is not in {}", folder.display());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_file_has_its_sum_and_its_items() {
    let Some(folder) = folder() else { return };
    for descriptor in dataset::all().unwrap() {
        if items(&descriptor.name, &folder).is_none() {
            continue;
        }
        let (path, entry) = dataset::find(descriptor, Some(&folder)).unwrap();
        let loaded = dataset::load(&descriptor.name, Some(&folder)).unwrap();
        assert_eq!(loaded.sha256, entry.sha256);
        assert_eq!(std::fs::metadata(path).unwrap().len(), entry.bytes, "{}", descriptor.name);
        assert_eq!(loaded.items.len() as u64, entry.items, "{}", descriptor.name);
        let mut ids: Vec<_> = loaded.items.iter().map(|item| &item.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), loaded.items.len(), "{}", descriptor.name);
    }
}

/// Each item's own answer is right, as a sentence and bare; none is right that says nothing, is cut, or is another item's.
#[test]
fn scorers_know_every_gold_answer() {
    let Some(folder) = folder() else { return };
    for (name, score) in SCORERS {
        let Some(items) = items(name, &folder) else { continue };
        let mut compat = [0.0, 0.0];
        let mut others = 0;
        for (index, item) in items.iter().enumerate() {
            let own = score(item, &item.reply);
            assert!(own.right && own.error.is_none(), "{}: {own:?}", item.id);
            let bare = score(item, &item.answer);
            assert!(bare.right, "{}: {bare:?}", item.id);
            compat[0] += own.marks[COMPAT];
            compat[1] += bare.marks[COMPAT];
            for reply in NOTHING {
                let nothing = score(item, reply);
                assert!(!nothing.right, "{}: {reply:?} {nothing:?}", item.id);
            }
            if let Some(start) = item.reply.find("\\boxed") {
                for end in start + 1..item.reply.len() - 1 {
                    let cut = item.reply.get(..end).map(|cut| score(item, cut));
                    assert!(cut.is_none_or(|cut| cut.answer.is_none() && !cut.right), "{}: {end}", item.id);
                }
            }
            // Another answer that the scorer does not hold for this one: `5` is right for `x=5`.
            let next = (1..items.len()).map(|step| &items[(index + step) % items.len()]);
            let next = next.into_iter().find(|next| next.answer != item.answer).unwrap();
            let other = score(item, &next.reply);
            if other.right {
                assert!(score(next, &item.reply).right, "{:?} {:?}", item.answer, next.answer);
                others += 1;
            }
        }
        // One pair of neighbours says the same: `5` and `x=5`.
        assert_eq!(others, u32::from(name == "math500"), "{name}");
        let count = items.len();
        eprintln!(
            "{name}: {count} golds right; compat takes {} of them in a sentence, {} bare",
            compat[0], compat[1]
        );
    }
}

/// What the README says of golds in another form: how many there are, and how many of them each scorer takes.
#[test]
fn golds_in_another_form_are_taken_by_the_strict_scorer() {
    let Some(folder) = folder() else { return };
    let whole = |gold: &str| gold.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
    let thousands = |gold: &str| {
        let (front, back) = gold.split_at(gold.len().saturating_sub(3));
        if whole(gold) && !matches!(front, "" | "-") { format!("{front},{back}") } else { gold.to_owned() }
    };
    let behind = |gold: &str, end: &str| if whole(gold) { format!("{gold}{end}") } else { gold.to_owned() };
    let before = |gold: &str| if whole(gold) { format!("x = {gold}") } else { gold.to_owned() };
    let forms: [(&str, Scorer, Form<'_>, [u32; 2]); 4] = [
        ("math500", math::score, &|gold| gold.replace("\\frac", "\\dfrac"), [68, 1]),
        ("math500", math::score, &before, [311, 0]),
        ("math500", math::score, &thousands, [20, 0]),
        ("gsm8k", gsm8k::score, &|gold| behind(gold, ".00"), [1319, 0]),
    ];
    for (name, score, form, [count, compat]) in forms {
        let mut found = [0, 0, 0];
        let Some(items) = items(name, &folder) else { continue };
        for item in items {
            let said = form(&item.answer);
            if said != item.answer {
                let score = score(&item, &format!("The answer is $\\boxed{{{said}}}$."));
                found[0] += 1;
                found[1] += u32::from(score.right);
                found[2] += u32::from(score.marks[COMPAT] > 0.5);
            }
        }
        assert_eq!(found, [count, count, compat], "{name}");
    }
}

/// A fact about another project: its pattern for gold answers knows no comma.
#[test]
fn a_pattern_without_commas_cuts_fourteen_answers_short() {
    let Some(folder) = folder() else { return };
    if items("gsm8k", &folder).is_none() {
        return;
    }
    let text = std::fs::read_to_string(folder.join("gsm8k/test.jsonl")).unwrap();
    let golds =
        text.lines().map(|line| line.rsplit_once("#### ").unwrap().1.trim_end_matches(['"', '}']).to_owned());
    let cut = golds.filter(|gold| gold.contains(',')).count();
    assert_eq!(cut, 14);
}
