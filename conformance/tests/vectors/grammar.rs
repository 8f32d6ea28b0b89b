//! Recipes that are wrong are refused with the place, and nothing that is written in one makes the reader panic.

use std::sync::LazyLock;

use avp_conformance::vector::{Lock, RecipesError, cases_of, read_folder};
use proptest::prelude::*;

use super::vectors;

fn errors(text: &str) -> String {
    match cases_of(&[("hdr.yaml".to_owned(), text.to_owned())], &Lock::default()) {
        Ok(cases) => panic!("{} cases, no error", cases.len()),
        Err(RecipesError::Recipes(errors)) => {
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        Err(error) => panic!("{error}"),
    }
}

const HEAD: &str = "- id: hdr/x\n  req: [AVP-HDR-002]\n  why: A test.\n";

/// A recipe of one step with this input and expectation.
fn step(input: &str, expect: &str) -> String {
    format!("{HEAD}  op: decode\n  in: {{message: {input}}}\n  expect: {expect}\n")
}

/// A recipe of one soft embedding with this expectation of its result.
fn near(close: &str) -> String {
    let tensor = "{dtype: f32, shape: [1, 2], data: {f32: [1, 2]}}";
    format!(
        "{HEAD}  op: soft_embed\n  args: {{temperature: 1}}\n  in: {{hidden: {tensor}, embed: {tensor}}}\n  \
         expect: {{ok: {{}}, parts: {{out: {{close: {close}}}}}}}\n"
    )
}

#[test]
fn errors_name_file_recipe_place_and_fault() {
    let text = step(r#"{base: vec2, patch: [{at: 0, hexx: "00"}]}"#, "{reject: [decode]}");
    let error = errors(&text);
    assert!(
        error.starts_with("hdr.yaml: hdr/x: in.message.patch[0]: `hexx` is no bytes expression"),
        "{error}"
    );
}

#[test]
fn mistakes_are_found() {
    let refuse = "{reject: [decode]}";
    for (text, word) in [
        (step("{base: vec3}", refuse), "`vec3` is no base"),
        (step("{base: hdr/x}", refuse), "made from itself"),
        (step("{hex: 4156}", refuse), "in quotes"),
        (step("{hex: '415'}", refuse), "pairs of hex digits"),
        (step("{base: vec2, patch: [{at: 999, hex: '00'}]}", refuse), "there are only 25"),
        (step("{base: vec2, patch: [{at: 0, hex: '41'}]}", refuse), "changes nothing"),
        (step("{metadata: [{hidden_dims: 2}]}", refuse), "unknown field `hidden_dims`"),
        (step("{metadata: [{n: 5, varint: -1}]}", refuse), "in.message.metadata[0].varint"),
        (step("{payload: {u8: [256]}}", refuse), "not within 0..=255"),
        (step("{payload: {zeros: 99999999999}}", refuse), "too many to hold"),
        (step("{payload: {zstd: {of: {hex: '0102'}, blocks: rle}}}", refuse), "one repeated byte"),
        (step("{payload: {zstd: {of: {hex: ''}, window: 1000}}}", refuse), "a window of 1000 bytes"),
        (step("{magics: '4156'}", refuse), "unknown key `magics`"),
        (step("{}", "{reject: [wrong_magic]}"), "unknown class `wrong_magic`"),
        (step("{}", "{reject: []}"), "at least one class"),
        (step("{}", "{refuse: [decode]}"), "unknown key `refuse`"),
        (step("{}", "{ok: {a: {$like: 1}}}"), "`$like`"),
        (step("{}", "{ok: {}, parts: {payload: {from: {step: 0, part: x}}}}"), "an earlier step is meant"),
        (step("{}", "{either: {one: {alive: true}}}"), "two branches"),
        (near("{oracle: {}}"), "say how near"),
        (near("{oracle: {}, rows: 2}"), "from 0 to 1"),
        (near("{oracle: {}, rows: 0.1, shape: [1]}"), "what the oracle gives"),
        (near("{oracle: {}, rows: 0.1, through: e_out}"), "no tensor `e_out`"),
        (near("{oracle: {temperature: x}, rows: 0.1}"), "no number `temperature`"),
        (near("{shape: [1, 2], data: {f32: [1]}, rows: 0.1}"), "as the shape asks for"),
        (near("{shape: [1], data: {f32: [nan]}, rows: 0.1}"), "finite"),
        (near("{shape: [1], data: {f32: [1]}, through: hidden, rows: 0.1}"), "only with `oracle`"),
        (near("{oracle: {}, rows: 0.1}").replace("soft_embed", "decode"), "answers no tensor"),
        (near("{oracle: {}, rows: 0.1}").replace("dtype: f32", "dtype: u32"), "no tensor of floats"),
        (near("{oracle: {}, rows: 0.1}").replace("f32: [1, 2]", "u32: [2139095040, 2]"), "not finite"),
        (
            step("{payload: {uniform: {dtype: f32, seed: 1, count: 1, most: 1, over: 3}}}", refuse),
            "power of two",
        ),
        (step("{}", refuse) + "  args: {dir: {$scratch: ../x}}\n", "letters, digits and dashes"),
        (step("{}", refuse) + "  files: cache\n", "expected a list"),
        (step("{}", refuse) + "  tamper: [{write: ../x, bytes: {hex: ''}}]\n", "letters, digits and dashes"),
        (step("{}", refuse) + "  tamper: [{rename: a/b, to: c}]\n", "letters, digits, `-` and `_`"),
        (step("{}", refuse) + "  tamper: [{drop: 3}]\n", "expected `write`"),
        (near("{from: {step: 0, part: out}, rows: 0.1}"), "an earlier step is meant"),
        (step("{}", "{encoded: {metadata: {dims: 1}}}"), "`dims` is no metadata field"),
        (step("{}", refuse).replace("op: decode", "op: decod"), "unknown operation"),
        (step("{}", refuse).replace("HDR-002", "HDR-999"), "no requirement `AVP-HDR-999`"),
        (step("{}", refuse).replace("HDR-002", "HDR-009"), "none of them holds under 0.2"),
        (step("{}", refuse).replace("hdr/x", "meta/x"), "starts with `hdr/`"),
        (step("{}", refuse).replace("hdr/x", "hdr/X"), "small letters"),
        (step("{}", refuse).replace("why: A test.", "why: ''"), "`why` says nothing"),
        (step("{}", refuse) + "  level: MAY\n", "needs `ambiguity`"),
        (step("{}", refuse) + "  requires: [zst]\n", "unknown feature `zst`"),
        (step("{}", refuse) + "  specs: [0.2]\n", "in quotes"),
        (step("{}", refuse) + "  relation: {at: /x, distinct: true}\n", "only one step"),
        (step("{}", refuse) + "  notes: x\n", "unknown key `notes`"),
        (step("{}", refuse) + &step("{}", refuse), "used twice"),
        (step("{}", refuse) + "  each: []\n", "no variants"),
        (step("{}", refuse) + "  each: [{why: x}]\n", "`slug` is missing"),
        (step("{}", refuse) + "  each: [{slug: a, id: b}]\n", "neither `id` nor `each`"),
        ("a: b".to_owned(), "expected a list"),
        ("- [".to_owned(), "no YAML"),
    ] {
        let error = errors(&text);
        assert!(error.contains(word), "{text}\n{error}");
    }
}

#[test]
fn every_mistake_is_listed_at_once() {
    let text = step("{base: vec3}", "{reject: [decode]}") + &step("{hex: 1}", "{}").replace("hdr/x", "hdr/y");
    assert_eq!(errors(&text).lines().count(), 2);
}

static RECIPES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let files = read_folder(&vectors().join("recipes")).expect("the recipes are there");
    files.iter().flat_map(|(_, text)| text.lines().map(str::to_owned)).collect()
});

/// Lines of real recipes in a row, some of them damaged.
fn damaged_recipes() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "base",
        "patch",
        "zstd",
        "\"\"",
        "-1",
        "18446744073709551615",
        "{}",
        "[]",
        "null",
        "${n}",
        "repeat",
        "count: 9",
        "each",
        "sweep",
        "\"4156\"",
        "kv1",
        "hdr/x",
        ".nan",
        "&a",
        "*a",
        "1e400",
        "from",
        "at",
    ]);
    let damage = prop::option::weighted(0.3, (any::<prop::sample::Index>(), words));
    let start = any::<prop::sample::Index>();
    (start, prop::collection::vec(damage, 1..40)).prop_map(|(start, damages)| {
        let from = start.index(RECIPES.len());
        let mut text = format!("{HEAD}  op: decode\n");
        for (line, damage) in RECIPES[from..].iter().zip(damages) {
            match damage {
                None => text.push_str(line),
                Some((at, word)) => {
                    let at = line.floor_char_boundary(at.index(line.len() + 1));
                    let rest = line[at..].split_once([' ', ',', '}']).map_or("", |(_, rest)| rest);
                    text.push_str(&line[..at]);
                    text.push_str(word);
                    text.push_str(rest);
                }
            }
            text.push('\n');
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn junk_never_panics(text in "\\PC{0,200}") {
        let _ = cases_of(&[("hdr.yaml".to_owned(), text)], &Lock::default());
    }

    #[test]
    fn damaged_recipes_never_panic(text in damaged_recipes()) {
        let _ = cases_of(&[("hdr.yaml".to_owned(), text)], &Lock::default());
    }

    #[test]
    fn junk_lock_never_panics(text in "\\PC{0,200}") {
        let _ = Lock::parse(&text);
    }
}
