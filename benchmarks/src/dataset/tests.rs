use proptest::prelude::*;

use super::*;

/// A record of our own for each data set, in its file's form.
fn sample(name: &str) -> String {
    let lines = match name {
        "gsm8k" => r#"{"question":"Two and two?","answer":"2+2=<<2+2=4>>4\n#### 4,000"}"#,
        "math500" => {
            r#"{"problem":"Half?","solution":"s","answer":"\\frac{1}{2}","subject":"Algebra","level":2,"unique_id":"u/1"}"#
        }
        "humaneval" => {
            r#"{"task_id":"H/0","prompt":"def f():\n","entry_point":"f","canonical_solution":"    return 1\n","test":"def check(c):\n    assert c() == 1"}"#
        }
        "debugbench" => {
            r#"{"id":"x/0","bug_type":"double","slug":"s","description":"Add.","examples":["one","two"],"constraints":"","oracle_code":"a = 1","level":"easy","buggy_code":"\na = 2\n"}"#
        }
        "hotpotqa" => {
            r#"[{"question":"Who?","answer":"Ann","type":"bridge","level":"hard","context":{"title":["A","B"],"sentences":[["One."," Two."],["Three."]]}},
                {"_id":"5a","question":"Who?","answer":"Bob","type":"bridge","level":"hard","context":[["A",["One."," Two."]],["B",["Three."]]]}]"#
        }
        "classeval" => {
            r#"[{"task_id":"C_0","skeleton":"class A:","test":"t","solution_code":"class A: pass","class_name":"A","test_classes":["T","U"],"import_statement":["import math","import re"],"methods_info":[{"method_name":"m"},{"method_name":"n"}]}]"#
        }
        "strategyqa" => r#"[{"qid":"q1","question":"Is it?","answer":false,"facts":["One.","Two."]}]"#,
        "arc_challenge" => {
            r#"{"id":"M_1","question":"Which?","choices":{"text":["red","blue"],"label":["1","2"]},"answerKey":"2"}"#
        }
        "medqa" => {
            r#"[{"question":"Which?\nA. red\nB. blue\n\nA. red\nB. blue","options":["A. red","B. blue"],"answer":"red"}]"#
        }
        other => panic!("no sample of {other}"),
    };
    lines.to_owned()
}

fn items(name: &str) -> Vec<TaskItem> {
    parse(name, Path::new("sample"), sample(name).as_bytes()).unwrap()
}

#[test]
fn every_data_set_is_read() {
    for descriptor in all().unwrap() {
        for item in items(&descriptor.name) {
            let names: Vec<_> = item.fields.keys().map(String::as_str).collect();
            let mut known: Vec<_> = descriptor.fields.iter().map(String::as_str).collect();
            known.sort_unstable();
            assert_eq!(names, known, "{}", descriptor.name);
        }
    }
}

#[test]
fn items_say_what_the_file_says() {
    let gsm8k = items("gsm8k").remove(0);
    assert_eq!((gsm8k.id.as_str(), gsm8k.answer.as_str()), ("gsm8k/0", "4000"));
    assert_eq!((gsm8k.reply.as_str(), gsm8k.family.as_str()), (r"The answer is \boxed{4000}.", "gsm8k"));
    assert_eq!(gsm8k.fields["solution"], "2+2=<<2+2=4>>4");
    let math = items("math500").remove(0);
    assert_eq!((math.id.as_str(), math.family.as_str()), ("u/1", "Algebra"));
    assert_eq!(
        (math.reply.as_str(), math.fields["level"].as_str()),
        (r"The answer is \boxed{\frac{1}{2}}.", "2")
    );
    let human = items("humaneval").remove(0);
    assert_eq!(human.reply, "```python\ndef f():\n    return 1\n```");
    let bug = items("debugbench").remove(0);
    assert_eq!((bug.reply.as_str(), bug.family.as_str()), ("```python\na = 1\n```", "double"));
    assert_eq!((bug.fields["examples"].as_str(), bug.fields["buggy_code"].as_str()), ("one\n\ntwo", "a = 2"));
    let [hub, authors] = items("hotpotqa").try_into().unwrap();
    assert_eq!((hub.id.as_str(), authors.id.as_str()), ("hotpotqa/0", "hotpotqa/1"));
    assert_eq!(hub.context, "A\nOne. Two.\n\nB\nThree.");
    assert_eq!((hub.context, hub.question.as_str()), (authors.context, "Who?"));
    assert_eq!(authors.reply, "Answer: Bob");
    let class = items("classeval").remove(0);
    assert_eq!((class.fields["methods"].as_str(), class.fields["test_classes"].as_str()), ("m,n", "T,U"));
    assert_eq!(class.fields["imports"], "import math\nimport re");
    let strategy = items("strategyqa").remove(0);
    assert_eq!((strategy.answer.as_str(), strategy.reply.as_str()), ("No", "Answer: No"));
    let arc = items("arc_challenge").remove(0);
    assert_eq!((arc.answer.as_str(), arc.fields["choices"].as_str()), ("B", "A. red\nB. blue"));
    assert_eq!(arc.context, "Which?\n\nA. red\nB. blue");
    let medqa = items("medqa").remove(0);
    assert_eq!((medqa.answer.as_str(), medqa.question.as_str()), ("A", "Which?"));
}

#[test]
fn a_wrong_record_is_named_with_what_to_do() {
    for (name, from, to, expected) in [
        ("gsm8k", "####", "##", "sample, line 1, answer: expected a solution, #### and a number"),
        ("gsm8k", r#""question":"#, r#""q":"#, "question: expected a text, found no such field"),
        ("gsm8k", "{", "{{", "line 1, json: expected an object"),
        ("math500", "2,", "true,", "level: expected a whole number, found true"),
        (
            "medqa",
            "\"red\"",
            "\"green\"",
            "record 1, answer: expected the text of one option, found \"green\"",
        ),
        ("medqa", "\"B. blue\"", "\"C. blue\"", "options: expected letters in order"),
        ("hotpotqa", r#"[["One"#, r#"[["x"],["One"#, "as many titles as lists"),
        ("hotpotqa", r#""B",["Three"#, r#"["Three"#, "record 2, context: expected titles with sentences"),
        ("arc_challenge", r#"Key":"2""#, r#"Key":"3""#, "answerKey: expected one of as many labels"),
        ("strategyqa", "false", "\"no\"", "answer: expected true or false, found \"no\""),
        ("classeval", r#"{"method_name":"n"}"#, "7", "methods_info: expected method_name in each, found 7"),
        ("humaneval", "    return 1\\n", " ", "canonical_solution: expected a text, found an empty one"),
    ] {
        let text = sample(name);
        let bad = text.replacen(from, to, 1);
        assert_ne!(text, bad, "{name}");
        let error = parse(name, Path::new("sample"), bad.as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains(&format!("avp-bench data fetch {name}")),
            "{error}"
        );
    }
    for bytes in [&b""[..], b"\n\n", b"[]", b"\xff\xfe", b"[1]", b"7"] {
        assert!(matches!(parse("gsm8k", Path::new("x"), bytes), Err(Error::Record { .. })), "{bytes:?}");
    }
}

#[test]
fn files_are_found_and_held_against_their_sums() {
    let folder = tempfile::tempdir().unwrap();
    let error = load("gsm8k", Some(folder.path())).unwrap_err().to_string();
    assert!(error.contains("expected test.jsonl") && error.contains("data fetch gsm8k"), "{error}");
    fs::create_dir(folder.path().join("gsm8k")).unwrap();
    fs::write(folder.path().join("gsm8k/test.jsonl"), sample("gsm8k")).unwrap();
    let sum = &descriptor("gsm8k").unwrap().files[0].sha256;
    let error = load("gsm8k", Some(folder.path())).unwrap_err();
    assert!(
        matches!(&error, Error::Sum { expected, found, .. } if expected == sum && found != sum),
        "{error}"
    );
    // The folder of the data set itself will do, and a file that fits is taken with its sum.
    let entry = FileEntry {
        sha256: hex(&Sha256::digest(sample("gsm8k"))),
        ..descriptor("gsm8k").unwrap().files[0].clone()
    };
    let own = Descriptor { files: vec![entry], ..descriptor("gsm8k").unwrap().clone() };
    let (path, entry) = find(&own, Some(&folder.path().join("gsm8k"))).unwrap();
    assert_eq!(checked(&own, entry, &path).unwrap().0, sample("gsm8k").as_bytes());
    let error = load("gsm8", None).unwrap_err().to_string();
    assert!(error.contains("did you mean gsm8k?"), "{error}");
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let error = read(Path::new("/dev/zero")).unwrap_err();
    assert!(matches!(error, Error::Large { limit: MAX_BYTES, .. }), "{error}");
}

#[test]
fn descriptors_name_sums_sources_and_licences() {
    for descriptor in all().unwrap() {
        assert!(!descriptor.licence.is_empty() && !descriptor.about.is_empty());
        let pinned = descriptor.revision.as_deref();
        assert!(pinned.is_none_or(|commit| commit.len() == 40), "{}", descriptor.name);
        for entry in &descriptor.files {
            assert!(entry.sha256.len() == 64 && entry.bytes < MAX_BYTES, "{}", descriptor.name);
            assert!(!entry.sources.is_empty() || entry.about.is_some(), "{}", descriptor.name);
            assert!(!entry.path.contains(['/', '\\']), "{}", entry.path);
            for source in &entry.sources {
                match source {
                    Source::Https { url } => assert!(url.starts_with("https://"), "{url}"),
                    Source::Hub { revision, .. } => assert_eq!(revision.len(), 40),
                    Source::Package { version, .. } => assert!(!version.is_empty()),
                }
            }
        }
    }
}

proptest! {
    /// Whatever bytes come, and wherever a good file is bent: items or an error.
    #[test]
    fn any_bytes_give_items_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200), place in 0..400usize, value: u8) {
        for descriptor in all().unwrap() {
            let _ = parse(&descriptor.name, Path::new("x"), &bytes);
            let mut bent = sample(&descriptor.name).into_bytes();
            let place = place % bent.len();
            bent[place] = value;
            let _ = parse(&descriptor.name, Path::new("x"), &bent);
        }
    }
}
