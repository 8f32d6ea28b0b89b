//! An encoder's message, through the harness's own dissector.

use serde_json::{Value, json};

use super::Bench;
use super::bytes::{difference, hex, window};
use super::compare::{Comparer, Meaning};
use crate::adapter::Blob;
use crate::case::EncodedExpect;
use crate::dissect::{self, Dissection};
use crate::verdict::{Check, Outcome};

impl Bench<'_> {
    /// Judges the part `message`: what was asked for, and what every message must satisfy.
    pub(super) fn encoded(&self, step: usize, expect: &EncodedExpect, blobs: &[Blob]) -> Vec<Check> {
        let Some(blob) = blobs.iter().find(|blob| blob.name == "message") else {
            return vec![Check {
                outcome: Outcome::Fail,
                expected: "a part `message`".into(),
                actual: json!(blobs.iter().map(|blob| blob.name.as_str()).collect::<Vec<_>>()),
                ..self.check(step, "message")
            }];
        };
        let spec = self.case.spec;
        let message = dissect::message(&blob.bytes, spec);
        let encoder = Encoder { bench: self, step, message: &message };
        let mut checks = encoder.asked_for(expect);
        for finding in dissect::encoder_findings(&message, spec) {
            checks.push(self.finding(step, &finding));
        }
        checks
    }

    fn finding(&self, step: usize, finding: &dissect::Finding) -> Check {
        let ids = finding.requirements;
        let own = |id: &str| self.case.requirements.iter().any(|own| own == id);
        let level = match self.case.level {
            Some(level) if ids.iter().any(|id| own(id)) => level,
            _ => self.catalogue.level_of(ids.iter().copied()),
        };
        let mut check = Check {
            requirements: ids.iter().map(|id| (*id).to_owned()).collect(),
            level,
            ..self.check(step, finding.check)
        };
        if !finding.ok {
            check.outcome = Outcome::Fail;
            check.expected = finding.expected.as_str().into();
            check.actual = finding.actual.as_str().into();
        }
        check
    }
}

struct Encoder<'a> {
    bench: &'a Bench<'a>,
    step: usize,
    message: &'a Dissection<'a>,
}

impl Encoder<'_> {
    fn asked_for(&self, expect: &EncodedExpect) -> Vec<Check> {
        let mut checks = Vec::new();
        if let Some(metadata) = &expect.metadata {
            checks.push(self.metadata(&Value::Object(metadata.clone())));
        }
        if let Some(payload) = &expect.payload {
            checks.push(self.payload(payload));
        }
        let flags = self.message.header.map(|header| header.flags);
        if let Some(compressed) = expect.compressed {
            let actual = flags.map(|flags| flags & 1 != 0);
            checks.push(self.same("compressed", json!(compressed), json!(actual)));
        }
        if let Some(wanted) = expect.flags {
            let shown = |flags: u8| format!("{flags:#04x}");
            checks.push(self.same("flags", json!(shown(wanted)), json!(flags.map(shown))));
        }
        if !expect.bytes.is_empty() {
            checks.push(self.one_of("bytes", &expect.bytes, self.message.bytes));
        }
        if !expect.metadata_bytes.is_empty() {
            let section = &self.message.bytes[self.message.metadata_section.clone()];
            checks.push(self.one_of("metadata-bytes", &expect.metadata_bytes, section));
        }
        checks.extend(expect.has_field.iter().map(|(number, bytes)| self.has_field(*number, bytes)));
        checks.extend(expect.lacks_field.iter().map(|number| self.lacks_field(*number)));
        if let Some(bounds) = expect.section_len {
            let len = self.message.payload_section.len() as u64;
            let (min, max) = (bounds.min.unwrap_or(0), bounds.max.unwrap_or(u64::MAX));
            let mut check = self.bench.check(self.step, "section-length");
            if !(min..=max).contains(&len) {
                check.outcome = Outcome::Fail;
                check.expected = json!({"min": bounds.min, "max": bounds.max});
                check.actual = json!(len);
            }
            checks.push(check);
        }
        checks
    }

    fn metadata(&self, expected: &Value) -> Check {
        let check = self.bench.check(self.step, "metadata");
        let Some(actual) = self.message.metadata_json().map(Value::Object) else {
            return self.fail(check, expected.clone(), Value::Null, self.fault());
        };
        let comparer = Comparer { observed: self.bench.observed };
        match comparer.value(Meaning::Metadata, expected, Some(&actual), "") {
            Ok(()) => check,
            Err(wrong) => self.fail(check, expected.clone(), actual, format!("{}: {}", wrong.at, wrong.what)),
        }
    }

    fn payload(&self, expected: &[u8]) -> Check {
        let check = self.bench.check(self.step, "payload");
        let Some(actual) = &self.message.payload else {
            return self.fail(check, window(expected, 0), Value::Null, self.fault());
        };
        match difference(expected, actual) {
            None => check,
            Some((expected, actual, note)) => self.fail(check, expected, actual, note),
        }
    }

    fn one_of(&self, name: &str, wanted: &[impl AsRef<[u8]>], actual: &[u8]) -> Check {
        let check = self.bench.check(self.step, name);
        let differences: Vec<_> = wanted.iter().map(|wanted| difference(wanted.as_ref(), actual)).collect();
        if differences.iter().any(Option::is_none) {
            return check;
        }
        let several = wanted.len() > 1;
        match differences.into_iter().flatten().next() {
            None => check,
            Some((expected, actual, note)) => {
                let note = if several { format!("{note} (the first of {})", wanted.len()) } else { note };
                self.fail(check, expected, actual, note)
            }
        }
    }

    fn has_field(&self, number: u32, bytes: &[u8]) -> Check {
        let check = self.bench.check(self.step, format!("has-field-{number}"));
        let found = self.fields(number);
        if found.contains(&bytes) {
            return check;
        }
        let found: Vec<String> = found.into_iter().map(hex).collect();
        self.fail(check, json!(hex(bytes)), json!(found), format!("field {number} stands there otherwise"))
    }

    fn lacks_field(&self, number: u32) -> Check {
        let check = self.bench.check(self.step, format!("lacks-field-{number}"));
        let found: Vec<String> = self.fields(number).into_iter().map(hex).collect();
        if found.is_empty() && self.message.metadata.is_some() {
            return check;
        }
        self.fail(check, json!("absent"), json!(found), format!("field {number} must not be written"))
    }

    /// The bytes of each occurrence of a field, tag included.
    fn fields(&self, number: u32) -> Vec<&[u8]> {
        let raw = self.message.metadata.iter().flat_map(|metadata| &metadata.raw);
        raw.filter(|field| field.number == number)
            .map(|field| &self.message.bytes[field.range.clone()])
            .collect()
    }

    fn same(&self, name: &str, expected: Value, actual: Value) -> Check {
        let check = self.bench.check(self.step, name);
        if expected == actual { check } else { self.fail(check, expected, actual, String::new()) }
    }

    fn fail(&self, check: Check, expected: Value, actual: Value, note: String) -> Check {
        Check { outcome: Outcome::Fail, expected, actual, note, ..check }
    }

    fn fault(&self) -> String {
        let fault = self.message.faults.first();
        fault.map_or_else(
            || "it can't be read".to_owned(),
            |fault| format!("it can't be read: {} at byte {}", fault.text, fault.offset),
        )
    }
}
