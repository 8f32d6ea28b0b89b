//! The one-fault proof of a folder.

use std::path::Path;

use avp_conformance::vector::{How, Proof, VectorFolder};

const RIGHT: &str = r#"
- id: rln/right
  req: [AVP-RLN-001]
  why: A test of the tool.
  op: soft_embed
  args: {temperature: 1.0}
  in: {hidden: {dtype: f32, shape: [1, 2], data: {f32: [1, 2]}}, embed: {dtype: f32, shape: [3, 2], data: {f32: [1, 0, 0, 1, 1, 1]}}}
  expect: {ok: {}}
"#;

const WRONG: &str = r#"
- id: rln/wrong
  req: [AVP-RLN-001]
  why: A test of the tool.
  op: soft_embed
  args: {temperature: 0.0}
  in: {hidden: {dtype: f32, shape: [1, 2], data: {f32: [1, 2]}}, embed: {dtype: f32, shape: [3, 2], data: {f32: [1, 0, 0, 1, 1, 1]}}}
  expect: {reject: [invalid_argument]}
"#;

fn proof(folder: &Path, recipes: &[&str], unpaired: &str) -> Proof {
    std::fs::create_dir_all(folder.join("recipes")).unwrap();
    std::fs::write(folder.join("recipes/rln.yaml"), recipes.concat()).unwrap();
    std::fs::write(folder.join("unpaired.yaml"), unpaired).unwrap();
    VectorFolder::new(folder).proof().unwrap()
}

#[test]
fn a_refusal_needs_a_twin_that_differs_in_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let proven = proof(folder.path(), &[RIGHT, WRONG], "");
    assert_eq!(proven.wrong(), Vec::<String>::new());
    let [first, second] = &proven.refusals[..] else { panic!("one in each dialect: {proven:?}") };
    assert_ne!(first.spec, second.spec);
    let How::Twin(twin) = &first.how else { panic!("{first}") };
    assert_eq!((twin.id.as_str(), &twin.places[..]), ("rln/right", &["args.temperature".to_owned()][..]));

    // A second fault, of any sort, and nobody can tell which of them was found.
    for (from, to, place) in [
        (
            "shape: [1, 2], data: {f32: [1, 2]}",
            "shape: [1, 3], data: {f32: [1, 2, 3]}",
            "tensors.hidden.shape",
        ),
        ("shape: [1, 2], data: {f32: [1, 2]}", "shape: [1, 2], data: {f32: [1, nan]}", "tensors.hidden"),
        ("{temperature: 0.0}", "{temperature: 0.0, top: 1}", "args.top"),
    ] {
        let planted = WRONG.replace(from, to);
        assert_ne!(planted, WRONG);
        let wrong = proof(folder.path(), &[RIGHT, &planted], "").wrong();
        assert_eq!(wrong.len(), 2, "one in each dialect: {wrong:?}");
        assert!(wrong[0].contains("rln/wrong@0.2, step 0 (soft_embed)"), "{}", wrong[0]);
        assert!(wrong[0].contains("nearest rln/right, step 0, differs in 2 places"), "{}", wrong[0]);
        assert!(wrong[0].contains(place) && wrong[0].contains("add a twin"), "{}", wrong[0]);
        // Said to be so on purpose, it is counted apart.
        let count = proof(folder.path(), &[RIGHT, &format!("{planted}  multi_fault: true\n")], "").count();
        assert_eq!((count.refusals, count.several), (0, 2));
    }

    // The twin counts in the dialects that it is for, and only while it is accepted.
    let elsewhere = format!("{RIGHT}  specs: [\"0.4\"]\n");
    let wrong = proof(folder.path(), &[&elsewhere, WRONG], "").wrong();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("rln/wrong@0.2") && wrong[0].contains("no accepted request"), "{}", wrong[0]);
    let alive = RIGHT.replace("{ok: {}}", "{either: {taken: {ok: {}}, refused: {reject: [projection]}}}");
    assert_eq!(proof(folder.path(), &[&alive, WRONG], "").wrong().len(), 2);
    let same = RIGHT.replace("temperature: 1.0", "temperature: 0.0");
    assert!(proof(folder.path(), &[&same, WRONG], "").wrong()[0].contains("asks the very same"));
}

#[test]
fn what_is_listed_has_no_twin() {
    let folder = tempfile::tempdir().unwrap();
    let listed = "- {vectors: [rln/wrong], because: So.}\n";
    let proven = proof(folder.path(), &[WRONG], listed);
    assert_eq!(proven.wrong(), Vec::<String>::new());
    assert_eq!(proven.count().unpaired, 2);
    let wrong = proof(folder.path(), &[RIGHT, WRONG], listed).wrong();
    assert_eq!(wrong, ["unpaired.yaml: rln/wrong is listed under rln/wrong and has a proof; take it out"]);
    let wrong = proof(folder.path(), &[RIGHT], listed).wrong();
    assert!(wrong.len() == 1 && wrong[0].contains("fits no vector"), "{wrong:?}");
    std::fs::write(folder.path().join("unpaired.yaml"), "- {vectors: [rln/wrong]}\n").unwrap();
    let error = VectorFolder::new(folder.path()).proof().unwrap_err().to_string();
    assert!(error.contains("unpaired.yaml") && error.contains("because"), "{error}");
}

#[test]
fn what_comes_before_counts_where_something_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let script = |id: &str, steps: &str, events: &str| {
        format!(
            "- id: rln/{id}\n  req: [AVP-RLN-001]\n  why: A test of the tool.\n  op: session_script\n  args: {{ttl: 10, steps: [{steps}]}}\n  expect: {{ok: {{events: [{events}]}}}}\n"
        )
    };
    let create = "{at: 0, do: create, session: s, agents: [a]}";
    let refused = "{$subset: {error: session}}";
    let found = script(
        "found",
        &format!("{create}, {{at: 5, do: require, session: s}}"),
        "{session: s}, {found: true}",
    );
    let never = script("never", "{at: 5, do: require, session: s}", refused);
    let proven = proof(folder.path(), &[&found, &never], "");
    assert_eq!(proven.wrong(), Vec::<String>::new());
    let How::Twin(twin) = &proven.refusals[0].how else { panic!("{}", proven.refusals[0]) };
    assert_eq!((twin.within, &twin.places[..]), (Some(1), &["before.0".to_owned()][..]));
    let late = script("late", "{at: 15, do: require, session: s}", refused);
    assert_eq!(proof(folder.path(), &[&found, &late], "").wrong().len(), 2);
}
