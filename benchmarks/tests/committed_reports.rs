//! What the committed reports say is right is what the scorers say of the replies that stand in them.
//!
//! Reports of tasks whose replies are programs are left out: those are run, by the audits.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::path::Path;

use avp_bench::scorer::{Score, gsm8k, hotpot};
use avp_bench::task::TaskItem;
use serde_json::{Value, from_str};

type Scorer = fn(&TaskItem, &str) -> Score;

/// The answers that a report's page shows.
fn answers(report: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports").join(report).join("index.html");
    let page = fs::read_to_string(path).unwrap();
    let (_, behind) = page.split_once("id=\"data\"").unwrap();
    let (_, data) = behind.split_once('>').unwrap();
    from_str(data.split_once("</script>").unwrap().0).unwrap()
}

fn item(answer: &str) -> TaskItem {
    TaskItem {
        id: String::new(),
        family: String::new(),
        context: String::new(),
        question: String::new(),
        answer: answer.to_owned(),
        reply: String::new(),
        fields: Default::default(),
    }
}

#[test]
fn verdicts_of_text_replies_hold() {
    let reports: [(&str, Scorer, usize); 2] =
        [("smollm2-gsm8k", gsm8k::score, 840), ("smollm2-hotpotqa", hotpot::score, 240)];
    for (report, score, count) in reports {
        let answers = answers(report);
        assert_eq!(answers.len(), count, "{report}");
        for answer in answers {
            let reply = answer["agents"].as_array().unwrap().last().unwrap()["text"].as_str().unwrap();
            let score = score(&item(answer["gold"].as_str().unwrap()), reply);
            assert_eq!(score.right, answer["outcome"] == "correct", "{report}: {answer}");
            assert_eq!(Some(score.marks["compat"]), answer["marks"]["compat"].as_f64(), "{report}: {answer}");
        }
    }
}
