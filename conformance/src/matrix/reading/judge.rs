//! What was meant against what was understood, and whose doing a difference is.

use serde::Serialize;

use super::facet::{self, Facets};
use super::meaning::{Kind, Meaning};
use super::{Message, Participant, Read};
use crate::case::Spec;

/// The verdict on one reader and one message of one writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Index of the participant that wrote.
    pub writer: usize,
    /// Index of the participant that read.
    pub reader: usize,
    /// Name of the meaning.
    pub meaning: &'static str,
    /// What it came to.
    pub verdict: Verdict,
}

/// What a reading came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What was meant.
    Same,
    /// Statements that the reader's dialect has no place for are gone; the others are right.
    Lost(Vec<Difference>),
    /// Something else was understood.
    Misread(Vec<Difference>, Blame),
    /// It was refused, with that class.
    Refused(String, Blame),
    /// The reader died, hung or broke the protocol.
    Died(String),
    /// It was not asked.
    NotRead(String),
}

/// Whose doing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// Both sides kept to their dialect, and the dialects say different things by the same bytes.
    Dialects,
    /// The bytes do not say what was meant, by the writer's own dialect.
    Writer,
    /// The bytes say it, and a correct reader of the reader's own dialect would have understood otherwise.
    Reader,
    /// The reader may: it declares that it lacks this, or the requirements leave it open.
    Allowed,
}

impl Blame {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Dialects => "each side keeps to its dialect, and the dialects differ",
            Self::Allowed => {
                "the reader may: it declares that it lacks this, or the requirements leave it open"
            }
            Self::Writer => "the writer's bytes do not say what was meant",
            Self::Reader => "the reader departs from its dialect",
        }
    }
}

/// One statement, meant and understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Difference {
    /// Name of the statement.
    pub what: String,
    /// What was meant; nothing: the default.
    pub meant: Option<String>,
    /// What was understood.
    pub seen: Option<String>,
}

impl Difference {
    fn is_flag(&self) -> Option<&str> {
        self.what.strip_prefix("flag ")
    }
}

/// The differences in a sentence: a flag that was taken for another in one clause.
pub fn told(differences: &[Difference]) -> String {
    let flag = |wanted: fn(&Difference) -> bool| {
        let of = differences.iter().filter(move |one| wanted(one));
        of.filter_map(Difference::is_flag).collect::<Vec<_>>()
    };
    let (missing, made_up) = (flag(|one| one.seen.is_none()), flag(|one| one.meant.is_none()));
    let mut clauses = Vec::new();
    for (at, name) in missing.iter().enumerate() {
        match made_up.get(at) {
            Some(other) => clauses.push(format!("the {name} flag taken for the {other} flag")),
            None => clauses.push(format!("the {name} flag not seen")),
        }
    }
    clauses.extend(made_up.iter().skip(missing.len()).map(|name| format!("a {name} flag that nobody set")));
    for one in differences.iter().filter(|one| one.is_flag().is_none()) {
        clauses.push(match (&one.meant, &one.seen) {
            (Some(meant), Some(seen)) => format!("{} {meant} read as {seen}", one.what),
            (Some(meant), None) => format!("{} {meant} not seen", one.what),
            (None, seen) => format!("{} {} out of nothing", one.what, seen.as_deref().unwrap_or_default()),
        });
    }
    clauses.join("; ")
}

fn differences(meant: &Facets, seen: &Facets) -> Vec<Difference> {
    let mut names: Vec<&str> = meant.iter().chain(seen.iter()).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    let made = |name: &str| Difference {
        what: name.to_owned(),
        meant: meant.get(name).map(str::to_owned),
        seen: seen.get(name).map(str::to_owned),
    };
    names.into_iter().map(made).filter(|one| one.meant != one.seen).collect()
}

/// Statements that a dialect has no place for.
fn has_place(what: &str, spec: Spec) -> bool {
    what != "confidence_score" || spec == Spec::V02
}

fn by_harness(message: &Message, spec: Spec) -> Result<Facets, String> {
    match message.kind {
        Kind::Message => facet::of_message(&message.bytes, spec),
        Kind::Context => facet::of_context_bytes(&message.bytes, spec),
        Kind::Text => facet::of_text_bytes(&message.bytes),
    }
}

/// Judges one reading.
pub(super) fn judge(
    meaning: &Meaning,
    message: &Message,
    writer: Spec,
    reader: &Participant,
    read: &Read,
) -> Verdict {
    match read {
        Read::NotRead(why) => Verdict::NotRead(why.clone()),
        Read::Lost(how) => Verdict::Died(how.clone()),
        Read::Refused(code) => Verdict::Refused(code.clone(), refusal(meaning, message, writer, reader)),
        Read::Understood(seen) => {
            let all = differences(meaning.meant(), seen);
            if all.is_empty() {
                return Verdict::Same;
            }
            let gone = |one: &Difference| one.seen.is_none() && !has_place(&one.what, reader.spec);
            if all.iter().all(gone) {
                return Verdict::Lost(all);
            }
            let blame = misreading(meaning, message, writer, reader, seen);
            Verdict::Misread(all.into_iter().filter(|one| !gone(one)).collect(), blame)
        }
    }
}

fn misreading(
    meaning: &Meaning,
    message: &Message,
    writer: Spec,
    reader: &Participant,
    seen: &Facets,
) -> Blame {
    match by_harness(message, writer) {
        Ok(said) if said == *meaning.meant() => {}
        _ => return Blame::Writer,
    }
    if lacks(reader, meaning) {
        return Blame::Allowed;
    }
    // Who finds out the dialect by itself has none that could excuse a misreading.
    match by_harness(message, reader.spec) {
        Ok(said) if !reader.auto && writer != reader.spec && differences(&said, seen).is_empty() => {
            Blame::Dialects
        }
        _ => Blame::Reader,
    }
}

fn refusal(meaning: &Meaning, message: &Message, writer: Spec, reader: &Participant) -> Blame {
    if by_harness(message, writer).as_ref() != Ok(meaning.meant()) {
        return Blame::Writer;
    }
    // Reading hidden states as a context and refusing them are both right (AVP-CTX-007).
    if lacks(reader, meaning) || meaning.kind == Kind::Context && meaning.meant().get("hidden").is_some() {
        return Blame::Allowed;
    }
    let spec = if reader.auto { facet::found_out(&message.bytes) } else { reader.spec };
    let refuses = match message.kind {
        Kind::Message => facet::refused(&message.bytes, spec).is_some(),
        Kind::Context | Kind::Text => by_harness(message, spec).is_err(),
    };
    if refuses { Blame::Dialects } else { Blame::Reader }
}

fn lacks(reader: &Participant, meaning: &Meaning) -> bool {
    meaning.needs.is_some_and(|needed| reader.lacks.iter().any(|absent| absent == needed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Fields, Message as Wire};
    use crate::matrix::reading::meaning::meanings;

    fn reader(spec: Spec) -> Participant {
        Participant {
            name: "r".into(),
            version: "1".into(),
            spec,
            auto: false,
            several: false,
            lacks: Vec::new(),
        }
    }

    fn meaning(name: &str) -> Meaning {
        meanings().into_iter().find(|meaning| meaning.name == name).unwrap()
    }

    /// The map message as a dialect writes it.
    fn map_message(spec: Spec) -> Message {
        let mut fields = Fields::new();
        fields.string(4, "pocket-7b").varint(5, 2).varint(6, 3).packed(9, &[2, 2]);
        fields.string(13, "vocab:0123456789abcdef");
        let payload = [1.0f32, -2.5, 0.15625, 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let flags = if spec == Spec::V02 { 4 } else { 2 };
        let wire = Wire { flags, metadata: fields.into_bytes(), payload, ..Wire::default() };
        Message { kind: Kind::Message, bytes: wire.to_bytes() }
    }

    #[test]
    fn a_flag_of_another_dialect_is_the_dialects_doing() {
        let (meaning, message) = (meaning("map"), map_message(Spec::V02));
        let seen = by_harness(&message, Spec::V04).unwrap();
        let verdict = judge(&meaning, &message, Spec::V02, &reader(Spec::V04), &Read::Understood(seen));
        let Verdict::Misread(differences, blame) = verdict else { panic!("{verdict:?}") };
        assert_eq!(blame, Blame::Dialects);
        assert_eq!(told(&differences), "the map flag taken for the kv flag");
    }

    #[test]
    fn who_errs_is_told_apart() {
        let (meaning, message) = (meaning("map"), map_message(Spec::V04));
        let right = by_harness(&message, Spec::V04).unwrap();
        let verdict =
            |message: &Message, read: Read| judge(&meaning, message, Spec::V04, &reader(Spec::V04), &read);
        assert_eq!(verdict(&message, Read::Understood(right.clone())), Verdict::Same);
        assert!(matches!(
            verdict(&message, Read::Understood(Facets::default())),
            Verdict::Misread(_, Blame::Reader)
        ));
        assert_eq!(
            verdict(&message, Read::Refused("decode".into())),
            Verdict::Refused("decode".into(), Blame::Reader)
        );
        // Bytes of the other dialect from somebody who claims this one.
        let wrong = map_message(Spec::V02);
        let seen = by_harness(&wrong, Spec::V04).unwrap();
        assert!(matches!(verdict(&wrong, Read::Understood(seen)), Verdict::Misread(_, Blame::Writer)));
        assert!(matches!(
            verdict(&wrong, Read::Refused("decode".into())),
            Verdict::Refused(_, Blame::Writer)
        ));
    }

    #[test]
    fn what_a_dialect_has_no_place_for_is_lost_and_not_misread() {
        let meaning = meaning("confidence");
        let mut seen = meaning.meant().clone();
        assert_eq!(seen.get("confidence_score"), Some("0.875"));
        seen = seen.iter().filter(|(name, _)| *name != "confidence_score").fold(
            Facets::default(),
            |mut kept, (name, value)| {
                kept.set(name, value);
                kept
            },
        );
        let message = map_message(Spec::V02);
        let judged =
            |spec: Spec| judge(&meaning, &message, Spec::V02, &reader(spec), &Read::Understood(seen.clone()));
        assert!(matches!(judged(Spec::V04), Verdict::Lost(_)));
        assert!(matches!(judged(Spec::V02), Verdict::Misread(..)));
    }

    #[test]
    fn differences_become_sentences() {
        let one = |what: &str, meant: Option<&str>, seen: Option<&str>| Difference {
            what: what.into(),
            meant: meant.map(str::to_owned),
            seen: seen.map(str::to_owned),
        };
        assert_eq!(
            told(&[
                one("flag hybrid", Some("set"), None),
                one("flag kv", None, Some("set")),
                one("flag map", None, Some("set")),
                one("mode", Some("HYBRID"), Some("JSON")),
                one("text", Some("hi"), None),
            ]),
            "the hybrid flag taken for the kv flag; a map flag that nobody set; mode HYBRID read as JSON; text hi not seen"
        );
    }
}
