//! Four programs that implement nothing: a run of the suite ends red against each, and says why in one sentence.

use std::collections::BTreeSet;
use std::path::PathBuf;

use avp_conformance::vector;
use serde_json::json;

use super::{Ran, binary, ran};

/// How each answers, and what is said of it.
const USELESS: [(&str, &str); 4] = [
    ("random", "the same question is answered differently each time, as by chance"),
    ("refuses", "everything is refused, a valid message too, and an operation that does not exist"),
    ("echo", "what is sent comes back as the answer"),
    ("unsupported", "everything is answered as unsupported, `decode` too, which is declared"),
];

/// Every operation that a vector asks for, without those of the harness's own peers.
fn ops() -> BTreeSet<String> {
    let cases = vector::cases().unwrap();
    let all = cases.into_iter().flat_map(|case| case.steps).map(|step| step.op);
    all.filter(|op| !op.starts_with("peer_")).collect()
}

/// `args`, then `--` and a program that declares these operations and implements none.
fn against(character: &str, ops: &BTreeSet<String>, args: &[&str]) -> Ran {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/children/child.py");
    let hello = json!({"ops": ops, "specs": ["0.2", "0.4"], "instances": 1});
    let options = json!({"character": character, "hello": hello}).to_string();
    let child = ["--", "python3", script.to_str().unwrap(), &options];
    ran(binary().args(args).args(child).output().unwrap())
}

#[test]
fn whoever_implements_nothing_ends_red_with_the_reason_in_one_sentence() {
    for (character, why) in USELESS {
        let ended = against(character, &ops(), &["run", "--timeout-scale=20"]);
        ended.assert_code(3).assert_says("were judged");
        let wanted = format!("error: the adapter's answers can't be believed: {why}");
        assert!(ended.err.lines().any(|line| line == wanted), "{character}: {}", ended.err);
    }
}

#[test]
fn who_insists_on_a_run_of_one_gets_a_red_one_too() {
    let args = ["run", "--vectors-only", "--timeout-scale=20", "--area=KV,SES", "--force"];
    for (character, _) in USELESS {
        let ended = against(character, &ops(), &args);
        ended.assert_code(3).assert_says("NOT CONFORMANT");
        let last = ended.err.lines().last().unwrap_or_default();
        let why = last.strip_prefix("exit code 3: an honesty probe failed, so its answers prove nothing: ");
        assert!(why.is_some_and(|why| !why.is_empty()), "{character}: {}", ended.err);
    }
}

/// Without `decode` only one probe can be asked, and who says `unsupported` to everything passes that.
#[test]
fn leaving_decode_out_helps_nobody() {
    let mut ops = ops();
    ops.remove("decode");
    let args = ["run", "--vectors-only", "--timeout-scale=20", "--area=KV,SES"];
    for (character, _) in USELESS {
        let ended = against(character, &ops, &args);
        assert!([1, 3].contains(&ended.code), "{character}: {}\n{}", ended.code, ended.err);
        let why = if character == "unsupported" {
            "failed: whatever is declared is answered as unsupported"
        } else {
            "an operation that does not exist was answered with"
        };
        assert!(ended.err.contains(why) || character == "random", "{character}: {}", ended.err);
        assert!(
            ended.err.contains("checks failed") || ended.err.contains("can't be believed: "),
            "{}",
            ended.err
        );
    }
}
