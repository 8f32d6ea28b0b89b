use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::difference::{Places, Tree};
use super::request::{held, request};
use super::trial::{Outcome, outcome};
use super::unpaired::{Unpaired, UnpairedList};
use crate::case::{Dtype, Expect, Part, PartData, Step};
use crate::vector;

fn places(a: &Tree, b: &Tree) -> Places {
    let mut places = Places::default();
    places.trees(a, b, "");
    places
}

fn count(a: &Tree, b: &Tree) -> usize {
    let there = places(a, b).count;
    assert_eq!(there, places(b, a).count, "the same from both sides");
    there
}

fn of_json(a: &Value, b: &Value) -> usize {
    count(&Tree::of(a), &Tree::of(b))
}

fn of_bytes(a: &[u8], b: &[u8]) -> usize {
    count(&held(&Arc::from(a)), &held(&Arc::from(b)))
}

/// JSON with something in every list and object, so that there is always a leaf to change.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 1..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Pointers to every value that is neither a list nor an object.
fn leaves(value: &Value, at: &str, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| leaves(item, &format!("{at}/{index}"), into));
        }
        Value::Object(map) => map.iter().for_each(|(key, item)| leaves(item, &format!("{at}/{key}"), into)),
        _ => into.push(at.to_owned()),
    }
}

fn pointers(value: &Value) -> Vec<String> {
    let mut all = Vec::new();
    leaves(value, "", &mut all);
    all
}

fn replaced(value: &Value, at: &str, by: &str) -> Value {
    let mut changed = value.clone();
    *changed.pointer_mut(at).unwrap() = by.into();
    changed
}

/// Puts something new into the first list or object above a leaf, or takes what is there out of it.
fn resized(value: &Value, leaf: &str, insert: bool) -> Option<Value> {
    let mut changed = value.clone();
    let (above, last) = leaf.rsplit_once('/')?;
    match changed.pointer_mut(above)? {
        Value::Array(items) => {
            let index: usize = last.parse().ok()?;
            match insert {
                true => items.insert(index, "NEW".into()),
                false => _ = items.remove(index),
            }
        }
        Value::Object(map) => match insert {
            true => _ = map.insert("NEW".to_owned(), json!({"a": [1, 2]})),
            false => _ = map.shift_remove(last),
        },
        _ => return None,
    }
    Some(changed)
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(value in any_json(), bytes in any::<Vec<u8>>()) {
        prop_assert_eq!(of_json(&value, &value), 0);
        prop_assert_eq!(of_bytes(&bytes, &bytes), 0);
    }

    #[test]
    fn both_sides_count_alike(a in any_json(), b in any_json(), x in any::<Vec<u8>>(), y in any::<Vec<u8>>()) {
        // `count` compares both directions.
        prop_assert_eq!(of_json(&a, &b) == 0, a == b);
        prop_assert_eq!(of_bytes(&x, &y) == 0, x == y);
    }

    #[test]
    fn one_edit_is_one_place(value in any_json(), which in any::<prop::sample::Index>(), insert: bool) {
        let leaves = pointers(&value);
        let leaf = which.get(&leaves);
        prop_assert_eq!(of_json(&value, &replaced(&value, leaf, "NEW")), 1);
        if let Some(resized) = resized(&value, leaf, insert) {
            prop_assert_eq!(of_json(&value, &resized), 1);
        }
    }

    #[test]
    fn two_edits_are_two_places(value in any_json(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let leaves = pointers(&value);
        let (a, b) = (a.get(&leaves), b.get(&leaves));
        let changed = replaced(&replaced(&value, a, "NEW"), b, "NEWER");
        prop_assert_eq!(of_json(&value, &changed), if a == b { 1 } else { 2 });
    }

    #[test]
    fn a_run_of_bytes_is_one_place_at_an_end(bytes in any::<Vec<u8>>(), more in prop::collection::vec(any::<u8>(), 1..64)) {
        let (front, behind) = ([&more[..], &bytes].concat(), [&bytes[..], &more].concat());
        // The bytes 0xff at the borders keep the whole from being JSON, of which the meaning is compared.
        let whole = |bytes: &[u8]| [b"\xff", bytes, b"\xff"].concat();
        prop_assert_eq!(of_bytes(&[&whole(&bytes)[..], &more].concat(), &whole(&bytes)), 1);
        prop_assert_eq!(of_bytes(&[&more[..], &whole(&bytes)].concat(), &whole(&bytes)), 1);
        let inside = count_of_eights(more.len());
        prop_assert!((1..=inside).contains(&of_bytes(&whole(&front), &whole(&bytes))));
        prop_assert!((1..=inside).contains(&of_bytes(&whole(&behind), &whole(&bytes))));
    }
}

#[test]
fn what_is_put_in_front_may_begin_as_the_rest_does() {
    let (rest, before) = ([0xff, 0xff], [&[0xff][..], &[0; 8]].concat());
    assert_eq!(of_bytes(&[&before[..], &rest].concat(), &rest), 1);
    assert_eq!(of_bytes(&[&rest[..], &before].concat(), &rest), 1);
}

fn count_of_eights(length: usize) -> usize {
    length.div_ceil(8)
}

#[test]
fn values_of_another_kind_are_one_place_and_texts_are_read() {
    assert_eq!(of_json(&json!({"a": {"b": 1, "c": 2}}), &json!({"a": [1, 2]})), 1);
    assert_eq!(of_json(&json!({"a": {"b": 1, "c": 2}}), &json!({"a": {"b": 2, "c": 3}})), 2);
    assert_eq!(of_json(&json!({"a": {"b": 1, "c": 2}}), &json!({})), 1);
    assert_eq!(of_json(&json!("{\"a\":1,\"b\":2}"), &json!("{\"a\":2,\"b\":1}")), 2);
    assert_eq!(of_bytes(br#"{"a":1,"b":2}"#, br#"{"a":2,"b":2}"#), 1);
    // The same said twice is no difference in meaning, but one in bytes.
    assert_eq!(of_bytes(br#"{"a":1}"#, br#"{"a":0,"a":1}"#), 1);
    assert_eq!(of_bytes(br#"{"a":1,"b":2}"#, br#"{"a":1,"b""#), 1);
    assert_eq!(of_bytes(b"0123456789abcdef", b"0123x56789abcxef"), 2);
    assert_eq!(of_bytes(&[0; 32], &[1; 32]), 4);
}

#[test]
fn messages_are_compared_by_their_fields() {
    let message = |fields: &[u8], payload: &[u8]| {
        let length = (fields.len() + payload.len()) as u8;
        [b"AV\x01\0", &[length, 0, 0, 0, fields.len() as u8, 0, 0, 0][..], fields, payload].concat()
    };
    let right = message(&[0x28, 2, 0x22, 1, b'm'], &[0; 8]);
    // One field more changes two lengths as well, which are no values of their own.
    assert_eq!(of_bytes(&right, &message(&[0x28, 2, 0x22, 1, b'm', 0x30, 7], &[0; 8])), 1);
    assert_eq!(of_bytes(&right, &message(&[0x28, 3, 0x22, 1, b'm'], &[0; 8])), 1);
    assert_eq!(of_bytes(&right, &message(&[0x28, 3, 0x22, 1, b'n'], &[0; 8])), 2);
    assert_eq!(of_bytes(&right, &message(&[0x28, 3, 0x22, 1, b'm'], &[0, 0, 0, 0, 0, 0, 0, 1])), 2);
    assert_eq!(of_bytes(&right, &right[..20]), 1);
    assert_eq!(of_bytes(&right, b"{}"), 1);
}

fn step(op: &str, args: Value, parts: Vec<Part>, expect: Expect) -> Step {
    let args = args.as_object().cloned().unwrap_or_default();
    Step { op: op.to_owned(), args, parts, expect, rss_growth_mib: None, files: None, tamper: Vec::new() }
}

fn tensor(name: &str, dtype: Dtype, shape: &[u64], values: &[f32]) -> Part {
    let bytes: Vec<u8> = match dtype {
        Dtype::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Dtype::F64 => values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect(),
        Dtype::F16 => {
            values.iter().flat_map(|value| half::f16::from_f32(*value).to_bits().to_le_bytes()).collect()
        }
        other => panic!("no test writes {}", other.as_str()),
    };
    Part {
        name: name.to_owned(),
        dtype: Some(dtype),
        shape: Some(shape.to_vec()),
        data: PartData::Bytes(bytes.into()),
    }
}

fn of_tensors(a: &[Part], b: &[Part]) -> usize {
    let tree =
        |parts: &[Part]| request(&step("kv_encode", json!({}), parts.to_vec(), Expect::Alive), &|step| step);
    count(&tree(a), &tree(b))
}

#[test]
fn tensors_are_compared_by_values_whatever_their_type() {
    let layer = |index: usize, dtype, shape: &[u64], values: &[f32]| {
        [
            tensor(&format!("k{index}"), dtype, shape, values),
            tensor(&format!("v{index}"), dtype, shape, values),
        ]
    };
    let two =
        [layer(0, Dtype::F32, &[1, 2], &[1.0, 2.0]), layer(1, Dtype::F32, &[1, 2], &[3.0, 4.0])].concat();
    assert_eq!(of_tensors(&two, &two), 0);
    // Another type everywhere is one decision; in one tensor as well; in two of different layers it is two.
    let doubles =
        [layer(0, Dtype::F64, &[1, 2], &[1.0, 2.0]), layer(1, Dtype::F64, &[1, 2], &[3.0, 4.0])].concat();
    assert_eq!(of_tensors(&two, &doubles), 1);
    let mut one = two.clone();
    one[1] = tensor("v0", Dtype::F16, &[1, 2], &[1.0, 2.0]);
    assert_eq!(of_tensors(&two, &one), 1);
    one[3] = tensor("v1", Dtype::F16, &[1, 2], &[3.0, 4.0]);
    assert_eq!(of_tensors(&two, &one), 2);
    let wider = [two[..2].to_vec(), layer(1, Dtype::F32, &[2, 2], &[3.0, 4.0, 5.0, 6.0]).to_vec()].concat();
    assert_eq!(of_tensors(&two, &wider), 1);
    // The dimension and a value are two.
    let other = [two[..2].to_vec(), layer(1, Dtype::F32, &[2, 2], &[3.0, 9.0, 5.0, 6.0]).to_vec()].concat();
    assert_eq!(of_tensors(&two, &other), 3);
    assert_eq!(of_tensors(&two, &two[..2]), 1);
    assert_eq!(of_tensors(&two, &two[..3]), 1);
    let single = |shape: &[u64], values: &[f32]| [tensor("hidden", Dtype::F32, shape, values)];
    assert_eq!(of_tensors(&single(&[2, 3], &[0.0; 6]), &single(&[3, 2], &[0.0; 6])), 1);
    assert_eq!(of_tensors(&single(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), &single(&[2, 1], &[1.0, 3.0])), 1);
    assert_eq!(of_tensors(&single(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), &single(&[2, 1], &[1.0, 2.0])), 1);
    assert_eq!(of_tensors(&single(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), &single(&[2, 1], &[7.0, 8.0])), 2);
    assert_eq!(of_tensors(&single(&[3], &[1.0, 2.0, 3.0]), &single(&[3], &[1.0, 5.0, 6.0])), 2);
}

#[test]
fn requests_over_http_are_compared_by_what_is_sent() {
    let tree = |args: Value| request(&step("peer_request", args, Vec::new(), Expect::Alive), &|step| step);
    let plain = tree(json!({"path": "/a", "json": {"b": 1}}));
    assert_eq!(
        count(&plain, &tree(json!({"path": "/a", "text": "{\"b\":1}", "method": "POST", "version": "1.1"}))),
        0
    );
    assert_eq!(count(&plain, &tree(json!({"path": "/a", "json": {"b": 1}, "headers": {"x": null}}))), 1);
    assert_eq!(
        count(&plain, &tree(json!({"path": "/a", "json": {"b": 1}, "headers": {"x": null, "y": "1"}}))),
        2
    );
    assert_eq!(count(&plain, &tree(json!({"path": "/a", "text": "{\"b\":1"}))), 1);
}

#[test]
fn what_a_status_means() {
    let ok = |ok: Value| {
        let ok: Map<String, Value> = ok.as_object().cloned().unwrap_or_default();
        outcome(&step(
            "peer_request",
            json!({}),
            Vec::new(),
            Expect::Ok { ok, should: Map::new(), parts: Vec::new() },
        ))
    };
    assert_eq!(ok(json!({"class": "2xx"})), Outcome::Accepted);
    assert_eq!(ok(json!({"class": "4xx"})), Outcome::Refused);
    assert_eq!(ok(json!({"status": {"$any": [401, 403]}})), Outcome::Refused);
    assert_eq!(ok(json!({"status": {"$any": [200, 409]}})), Outcome::Open);
    assert_eq!(ok(json!({"outcome": {"$any": ["unreachable", "closed"]}})), Outcome::Refused);
    assert_eq!(ok(json!({"body": {}})), Outcome::Accepted);
}

#[test]
fn the_vectors_of_this_build_are_proven() {
    let proof = vector::proof().unwrap();
    assert_eq!(proof.wrong(), Vec::<String>::new());
    let count = proof.count();
    assert_eq!(count.open, 0);
    assert_eq!(count.refusals, count.reader + count.twin + count.unpaired);
    assert!(count.reader > 2000 && count.twin > 300 && count.unpaired < 100, "{count}");
}

#[test]
fn a_list_that_does_not_fit_is_wrong() {
    let open = BTreeMap::from([("kv/a", true), ("kv/b", false)]);
    let list = |vectors: &[&str], because: &str| {
        let vectors = vectors.iter().map(|id| (*id).to_owned()).collect();
        UnpairedList(vec![Unpaired { vectors, because: because.to_owned() }]).wrong(&open).join("\n")
    };
    assert_eq!(list(&["kv/a"], "so"), "");
    assert!(list(&["kv/a"], " ").contains("without a reason"));
    assert!(list(&["kv/c"], "so").contains("kv/c fits no vector"));
    assert!(list(&["kv/*"], "so").contains("kv/b is listed under kv/* and has a proof"));
    assert!(list(&["kv/a", "kv/a"], "so").contains("kv/a is listed twice"));
    assert!(UnpairedList::parse("- {vectors: [kv/a]}").is_err());
    assert_eq!(UnpairedList::parse("# nothing\n").unwrap(), UnpairedList::default());
}
