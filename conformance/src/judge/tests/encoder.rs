//! Messages of encoders.

use super::*;

/// The published vector 2: shape [2], two floats.
const VECTOR: &str = "415601000d0000000500000028024a01020000803f00000040";

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn encoders_are_judged_by_the_dissector() {
    let message = unhex(VECTOR);
    let payload: std::sync::Arc<[u8]> = unhex("0000803f00000040").into();
    let good = EncodedExpect {
        metadata: Some(object(json!({"hidden_dim": 2, "tensor_shape": [2]}))),
        payload: Some(payload),
        compressed: Some(false),
        flags: Some(0),
        bytes: vec![message.clone().into()],
        metadata_bytes: vec![unhex("28024a0102").into()],
        has_field: vec![(5, unhex("2802"))],
        lacks_field: vec![12],
        section_len: Some(SectionLen { min: Some(8), max: Some(8) }),
    };
    let encode = |expect: &EncodedExpect, bytes: &[u8]| {
        let case = case_of(vec![step("encode", Expect::Encoded(Box::new(expect.clone())))]);
        run(&case, &[ok(json!({}), vec![blob("message", bytes)])])
    };
    let checks = encode(&good, &message);
    assert!(checks.iter().all(|check| check.outcome == Outcome::Pass), "{checks:?}");
    let magic = checks.iter().find(|check| check.name == "magic").unwrap();
    assert_eq!(magic.requirements, ["AVP-HDR-001"]);

    type Spoil = fn(&mut EncodedExpect);
    let spoils: [(&str, Spoil); 9] = [
        ("metadata", |e| e.metadata = Some(object(json!({"hidden_dim": 3, "tensor_shape": [2]})))),
        ("payload", |e| e.payload = Some(b"other"[..].into())),
        ("compressed", |e| e.compressed = Some(true)),
        ("flags", |e| e.flags = Some(4)),
        ("bytes", |e| e.bytes = vec![b"AV"[..].into(), b"AW"[..].into()]),
        ("metadata-bytes", |e| e.metadata_bytes = vec![b"x"[..].into()]),
        ("has-field-5", |e| e.has_field = vec![(5, unhex("2803"))]),
        ("lacks-field-5", |e| e.lacks_field = vec![5]),
        ("section-length", |e| e.section_len = Some(SectionLen { min: Some(9), max: None })),
    ];
    for (name, spoil) in spoils {
        let mut expect = good.clone();
        spoil(&mut expect);
        let missed: Vec<Check> = encode(&expect, &message).into_iter().filter(Check::missed).collect();
        assert_eq!(lines(&missed), [format!("{name}=Fail")]);
    }

    // A wrong magic is found whatever was asked for; so is a message that can't be read at all.
    let mut swapped = message.clone();
    swapped[..2].reverse();
    let missed: Vec<Check> =
        encode(&EncodedExpect::default(), &swapped).into_iter().filter(Check::missed).collect();
    assert!(missed.iter().any(|check| check.name == "magic" && check.level == Level::Must), "{missed:?}");
    for cut in 0..message.len() {
        let missed = encode(&good, &message[..cut]).into_iter().filter(Check::missed).count();
        assert!(missed > 0, "cut at {cut}");
    }
    let case = case_of(vec![step("encode", Expect::Encoded(Box::new(good)))]);
    let checks = run(&case, &[ok(json!({}), vec![])]);
    assert_eq!(lines(&checks), ["accepts=Pass", "message=Fail"]);
}
