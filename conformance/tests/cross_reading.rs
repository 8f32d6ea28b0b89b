//! Who understands whom: the reference, implementations that are wrong in one thing, and three releases that exist only here.
#![cfg(feature = "reference")]

use avp_conformance::adapter::{
    AdapterCommand, Answer, Blob, InProcessLauncher, Launcher, ProcessLauncher, Request,
};
use avp_conformance::build::{Fields, Message};
use avp_conformance::case::Spec;
use avp_conformance::dissect;
use avp_conformance::matrix::reading::table::Table;
use avp_conformance::matrix::reading::{
    Blame, CrossReading, Judged, Speaker, Verdict, ask,
    era::{eras, moved},
};
use serde_json::{Value, json};

fn reference() -> ProcessLauncher {
    ProcessLauncher::new(AdapterCommand::new(env!("CARGO_BIN_EXE_avp-conformance"), ["__reference"]))
}

fn mutant(name: &str) -> ProcessLauncher {
    ProcessLauncher::new(AdapterCommand::new(env!("CARGO_BIN_EXE_avp-mutant"), [name]))
}

fn cross_read(launchers: &[&dyn Launcher]) -> CrossReading {
    let speakers: Vec<Speaker<'_>> =
        launchers.iter().map(|launcher| Speaker::meet(*launcher).expect("it says hello")).collect();
    ask(&speakers, |_| ())
}

/// Index of the participant of that name in that dialect.
fn index(readings: &CrossReading, name: &str, spec: Spec, auto: bool) -> usize {
    let found = readings
        .participants
        .iter()
        .position(|one| (one.name.as_str(), one.spec, one.auto) == (name, spec, auto));
    found.unwrap_or_else(|| panic!("{name} takes part"))
}

fn between(readings: &CrossReading, writer: usize, reader: usize) -> Vec<Judged> {
    let all = readings.judge().into_iter();
    all.filter(|one| (one.writer, one.reader) == (writer, reader)).collect()
}

fn verdict<'a>(judged: &'a [Judged], meaning: &str) -> &'a Verdict {
    &judged
        .iter()
        .find(|one| one.meaning == meaning)
        .unwrap_or_else(|| panic!("{meaning} was written"))
        .verdict
}

#[test]
fn the_reference_understands_itself_and_its_dialects_do_not() {
    let readings = cross_read(&[&reference()]);
    let old = index(&readings, "avp", Spec::V02, false);
    let new = index(&readings, "avp", Spec::V04, false);
    let any = index(&readings, "avp", Spec::V04, true);
    for one in [old, new] {
        let judged = between(&readings, one, one);
        assert!(judged.len() > 12, "{judged:?}");
        assert!(judged.iter().all(|one| one.verdict == Verdict::Same), "{judged:?}");
        let found_out = between(&readings, one, any);
        let unclear: Vec<&Judged> = found_out
            .iter()
            .filter(|one| !matches!(one.verdict, Verdict::Same | Verdict::NotRead(_)))
            .collect();
        assert!(unclear.is_empty(), "{unclear:?}");
    }
    for (writer, reader) in [(old, new), (new, old)] {
        let judged = between(&readings, writer, reader);
        for meaning in ["map", "kv"] {
            let verdict = verdict(&judged, meaning);
            assert!(matches!(verdict, Verdict::Misread(_, Blame::Dialects)), "{meaning}: {verdict:?}");
        }
        assert_eq!(verdict(&judged, "ids"), &Verdict::Same);
        assert_eq!(verdict(&judged, "text"), &Verdict::Same);
    }
    // What is recorded is read back as it was.
    let text = serde_json::to_string(&readings).expect("it can be written");
    let back: CrossReading = serde_json::from_str(&text).expect("it can be read");
    assert!(back.is_sound());
    assert_eq!(back, readings);
}

#[test]
fn a_wrong_writer_and_a_wrong_reader_are_seen_and_told_apart() {
    let names = [
        "encode-map-flag-missing",
        "encode-magic-swapped",
        "decode-payload-one-byte-short",
        "decode-crc-required",
    ];
    let mutants = names.map(mutant);
    let right = reference();
    let launchers: Vec<&dyn Launcher> = std::iter::once(&right as &dyn Launcher)
        .chain(mutants.iter().map(|one| one as &dyn Launcher))
        .collect();
    let readings = cross_read(&launchers);
    let reference = index(&readings, "avp", Spec::V04, false);
    let of = |name: &str| index(&readings, name, Spec::V04, false);

    let flag = between(&readings, of("encode-map-flag-missing"), reference);
    assert!(matches!(verdict(&flag, "map"), Verdict::Misread(_, Blame::Writer)), "{flag:?}");
    assert_eq!(verdict(&flag, "hidden"), &Verdict::Same);

    let magic = between(&readings, of("encode-magic-swapped"), reference);
    assert!(matches!(verdict(&magic, "hidden"), Verdict::Refused(_, Blame::Writer)), "{magic:?}");

    let short = between(&readings, reference, of("decode-payload-one-byte-short"));
    assert!(matches!(verdict(&short, "hidden"), Verdict::Misread(_, Blame::Reader)), "{short:?}");

    let required = between(&readings, reference, of("decode-crc-required"));
    assert!(matches!(verdict(&required, "no_checksum"), Verdict::Refused(_, Blame::Reader)), "{required:?}");
    assert_eq!(verdict(&required, "hidden"), &Verdict::Same);

    let table = Table::new(&readings);
    let told: Vec<(Option<Blame>, &str)> =
        table.misunderstandings().iter().map(|one| (one.blame, one.told)).collect();
    assert!(told.contains(&(Some(Blame::Writer), "misread: the map flag not seen")), "{told:?}");
}

/// A codec that knows maps and nothing else, and sets the flag that it was given for them.
fn release(version: &'static str, map_flag: u8) -> impl Launcher {
    InProcessLauncher::new(version, move || {
        move |request: &Request| {
            let part = |name: &str| request.parts.iter().find(|part| part.name == name);
            let ok = |ok: Value, parts: Vec<Blob>| match ok {
                Value::Object(ok) => Answer::Ok { ok, parts },
                _ => Answer::Fault("no object".into()),
            };
            let blob = |name: &str, bytes: &[u8]| Blob {
                name: name.into(),
                dtype: None,
                shape: None,
                bytes: bytes.into(),
            };
            match request.op.as_str() {
                "hello" => ok(
                    json!({"acp": 1, "name": "tale", "version": version, "specs": ["0.4"], "ops": ["encode", "decode"]}),
                    Vec::new(),
                ),
                "encode" => {
                    let metadata = request.args["metadata"].as_object().cloned().unwrap_or_default();
                    let keys: Vec<&str> = metadata.keys().map(String::as_str).collect();
                    let known = ["model_id", "hidden_dim", "num_layers", "tensor_shape", "avp_map_id"];
                    if keys.iter().any(|key| !known.contains(key)) || request.args["compression"] != "none" {
                        return Answer::Err {
                            code: "invalid_argument".into(),
                            detail: String::new(),
                            status: None,
                        };
                    }
                    let mut fields = Fields::new();
                    if !keys.is_empty() {
                        fields.string(4, "pocket-7b").varint(5, 2).varint(6, 3).packed(9, &[2, 2]);
                    }
                    let map = metadata.get("avp_map_id").and_then(Value::as_str);
                    if let Some(map) = map {
                        fields.string(13, map);
                    }
                    let message = Message {
                        flags: if map.is_some() { map_flag } else { 0 },
                        metadata: fields.into_bytes(),
                        payload: part("payload").map(|part| part.bytes.to_vec()).unwrap_or_default(),
                        ..Message::default()
                    };
                    ok(json!({}), vec![blob("message", &message.to_bytes())])
                }
                "decode" => {
                    let bytes = part("message").map(|part| part.bytes.to_vec()).unwrap_or_default();
                    let read = dissect::message(&bytes, Spec::V04);
                    let (Some(header), Some(metadata)) = (read.header, read.metadata_json()) else {
                        return Answer::Err { code: "decode".into(), detail: String::new(), status: None };
                    };
                    let payload = read.payload.as_deref().unwrap_or_default();
                    ok(
                        json!({"header": {"flags": header.flags}, "metadata": metadata}),
                        vec![blob("payload", payload)],
                    )
                }
                other => Answer::Unsupported(other.into()),
            }
        }
    })
}

#[test]
fn eras_are_found_by_what_is_written_and_read() {
    let releases = [release("1.9", 0x04), release("1.10", 0x02), release("1.2", 0x04), release("2.0", 0x02)];
    let launchers: Vec<&dyn Launcher> = releases.iter().map(|one| one as &dyn Launcher).collect();
    let readings = cross_read(&launchers);
    let eras = eras(&readings);
    let spans: Vec<String> = eras.iter().map(|era| era.span(&readings)).collect();
    assert_eq!(spans, ["1.2 – 1.9", "1.10 – 2.0"]);
    assert!(eras[0].changes.is_empty());
    let change = &eras[1].changes[0];
    assert_eq!(change.what, "writing: flags byte 0x04 became 0x02, the version byte stays 1");
    assert_eq!(change.shows_in, ["a projection map"]);
    assert_eq!(moved(&eras[0], &eras[1]), "map flag 0x04 → 0x02; the version byte stays 1");
    // All declare the same dialect, so the older are plainly wrong.
    let judged = between(&readings, 0, 1);
    assert!(matches!(verdict(&judged, "map"), Verdict::Misread(_, Blame::Writer)), "{judged:?}");
}

#[test]
fn who_dies_is_asked_again_and_nothing_else_suffers() {
    let fragile = InProcessLauncher::new("fragile", || {
        |request: &Request| match request.op.as_str() {
            "hello" => {
                let Value::Object(ok) =
                    json!({"acp": 1, "name": "fragile", "specs": ["0.4"], "ops": ["decode"]})
                else {
                    return Answer::Fault(String::new());
                };
                Answer::Ok { ok, parts: Vec::new() }
            }
            _ => panic!("{}", "x".repeat(5000)),
        }
    });
    let right = reference();
    let readings = cross_read(&[&right, &fragile]);
    let (writer, reader) =
        (index(&readings, "avp", Spec::V04, false), index(&readings, "fragile", Spec::V04, false));
    let judged = between(&readings, writer, reader);
    assert!(judged.len() > 12);
    for one in judged {
        match one.verdict {
            Verdict::Died(how) => assert!(how.chars().count() < 300, "{how}"),
            Verdict::NotRead(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
