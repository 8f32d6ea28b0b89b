//! Eras: releases in a row that write the same bytes and understand the same of what others wrote.
//!
//! Nothing here knows what changed when. Two releases belong together when everything that was observed of them is equal,
//! and what sets an era apart is what was observed otherwise in the one before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::judge::told;
use super::meaning::{Kind, meanings};
use super::{CrossReading, Judged, Read, Verdict, Written};
use crate::dissect::{self, RawValue};
use crate::matrix::version;
use crate::vector::METADATA_KEYS;

/// Releases in a row that are the same on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Era {
    /// Name of the implementation.
    pub name: String,
    /// Indices of its participants, oldest first.
    pub members: Vec<usize>,
    /// How it writes what the dialects write differently.
    pub traits: Vec<(&'static str, String)>,
    /// What was otherwise in the era before; empty for the first.
    pub changes: Vec<Change>,
}

/// Something that was otherwise before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// One clause.
    pub what: String,
    /// Titles of the meanings that it shows in.
    pub shows_in: Vec<String>,
}

impl Era {
    /// `0.3.0 – 0.4.0`.
    pub fn span(&self, readings: &CrossReading) -> String {
        let version = |index: Option<&usize>| {
            index.and_then(|index| readings.participants.get(*index)).map(|one| one.version.as_str())
        };
        match (version(self.members.first()), version(self.members.last())) {
            (Some(first), Some(last)) if first != last => format!("{first} – {last}"),
            (first, _) => first.unwrap_or_default().to_owned(),
        }
    }
}

/// What moved from one era to the next, in a sentence.
pub fn moved(before: &Era, now: &Era) -> String {
    let old = |name: &str| {
        let found = before.traits.iter().find(|(known, _)| *known == name);
        found.map_or("none", |(_, value)| value.as_str())
    };
    let (mut changed, mut version) = (Vec::new(), String::new());
    for (name, value) in &now.traits {
        match (*name, old(name) == value) {
            ("version byte", true) => version = format!("the version byte stays {value}"),
            (_, true) => {}
            (name, false) => changed.push(format!("{name} {} → {value}", old(name))),
        }
    }
    changed.extend((!version.is_empty()).then_some(version));
    changed.join("; ")
}

/// The eras of every implementation that took part with more than one release, oldest first.
pub fn eras(readings: &CrossReading) -> Vec<Era> {
    let judged = readings.judge();
    let mut families: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, one) in readings.participants.iter().enumerate().filter(|(_, one)| !one.auto && !one.several)
    {
        families.entry(&one.name).or_default().push(index);
    }
    let mut eras: Vec<Era> = Vec::new();
    for (name, mut members) in families.into_iter().filter(|(_, members)| members.len() > 1) {
        let version_of = |index: usize| readings.participants[index].version.as_str();
        members.sort_by(|a, b| version::compare(version_of(*a), version_of(*b)));
        let mut last: Option<Traits> = None;
        for member in members {
            let traits = Traits::of(readings, member);
            match (&last, eras.last_mut()) {
                (Some(before), Some(era)) if *before == traits => era.members.push(member),
                (before, era) => {
                    let previous = before.as_ref().zip(era.and_then(|era| era.members.last().copied()));
                    let changes = previous.map_or_else(Vec::new, |(before, previous)| {
                        changes(readings, &judged, (before, previous), (&traits, member))
                    });
                    let told = traits.told();
                    eras.push(Era { name: name.to_owned(), members: vec![member], traits: told, changes });
                    last = Some(traits);
                }
            }
        }
    }
    eras
}

/// What was observed of a release on the wire. Contexts and texts are made of messages or of JSON, which have no eras of
/// their own.
#[derive(PartialEq, Eq)]
struct Traits {
    /// By meaning.
    writes: BTreeMap<String, Form>,
    /// By message.
    reads: BTreeMap<usize, Read>,
}

/// How a message looks, whatever the order of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// It is not written.
    Absent,
    /// Version byte, flags byte, fields by number, payload section.
    Bytes { version: u8, flags: u8, fields: BTreeMap<u32, BTreeSet<String>>, payload: Vec<u8> },
}

impl Traits {
    fn of(readings: &CrossReading, member: usize) -> Self {
        let is_message =
            |index: usize| readings.messages.get(index).is_some_and(|one| one.kind == Kind::Message);
        let kinds: HashMap<&str, Kind> =
            meanings().iter().map(|meaning| (meaning.name, meaning.kind)).collect();
        let own = readings.writings.iter().filter(|one| one.writer == member);
        let writes = own
            .filter(|one| kinds.get(one.meaning.as_str()) == Some(&Kind::Message))
            .map(|one| (one.meaning.clone(), Form::of(readings, &one.written)))
            .collect();
        let own = readings.readings.iter().filter(|one| one.reader == member && is_message(one.message));
        let reads = own
            .map(|one| {
                let read = match &one.read {
                    // The class of a refusal is another requirement's matter.
                    Read::Refused(_) => Read::Refused(String::new()),
                    Read::Lost(_) => Read::Lost(String::new()),
                    other => other.clone(),
                };
                (one.message, read)
            })
            .collect();
        Self { writes, reads }
    }
}

impl Traits {
    /// The flags, each by a message that has no other, and two fields.
    fn told(&self) -> Vec<(&'static str, String)> {
        let form = |meaning: &str| match self.writes.get(meaning) {
            Some(Form::Bytes { version, flags, fields, .. }) => Some((*version, *flags, fields)),
            Some(Form::Absent) | None => None,
        };
        let mut told = Vec::new();
        if let Some((version, ..)) = form("hidden") {
            told.push(("version byte", version.to_string()));
        }
        let flags =
            [("zstd", "compressed flag"), ("hybrid", "hybrid flag"), ("map", "map flag"), ("kv", "KV flag")];
        for (meaning, name) in flags {
            let flags =
                form(meaning).map_or_else(|| "none".to_owned(), |(_, flags, _)| format!("{flags:#04x}"));
            told.push((name, flags));
        }
        if let Some((_, _, fields)) = form("json") {
            let mode = fields.get(&10).and_then(|values| values.first());
            told.push(("mode JSON", mode.map_or_else(|| "not written".to_owned(), Clone::clone)));
        }
        if let Some((_, _, fields)) = form("hidden") {
            told.push(("checksum", if fields.contains_key(&15) { "written" } else { "none" }.to_owned()));
        }
        told.push(("embeddings", if form("embedding").is_some() { "written" } else { "none" }.to_owned()));
        told
    }
}

impl Form {
    fn of(readings: &CrossReading, written: &Written) -> Self {
        let Written::Message(index) = written else { return Self::Absent };
        let Some(message) = readings.messages.get(*index) else { return Self::Absent };
        // Fields stand on the wire alike in every dialect.
        let read = dissect::message(&message.bytes, crate::case::Spec::V04);
        let (Some(header), Some(metadata)) = (read.header, read.metadata) else { return Self::Absent };
        let mut fields: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
        for raw in &metadata.raw {
            let value = match &raw.value {
                RawValue::Varint(value) | RawValue::Fixed64(value) => value.to_string(),
                RawValue::Fixed32(bits) => f32::from_bits(*bits).to_string(),
                RawValue::Len(range) => {
                    format!("{:?}", message.bytes.get(range.clone()).unwrap_or_default())
                }
                RawValue::Group => "a group".to_owned(),
            };
            fields.entry(raw.number).or_default().insert(value);
        }
        let payload = message.bytes.get(read.payload_section).unwrap_or_default().to_vec();
        Self::Bytes { version: header.version, flags: header.flags, fields, payload }
    }

    /// Clauses about what is otherwise than before.
    fn changes(&self, before: &Self) -> Vec<String> {
        let (
            Self::Bytes { version, flags, fields, payload },
            Self::Bytes {
                version: version_before,
                flags: flags_before,
                fields: had,
                payload: payload_before,
            },
        ) = (self, before)
        else {
            return match (before, self) {
                (Self::Absent, Self::Bytes { .. }) => vec!["can be written now".to_owned()],
                (Self::Bytes { .. }, Self::Absent) => vec!["can't be written any more".to_owned()],
                _ => Vec::new(),
            };
        };
        let mut clauses = Vec::new();
        let version_told = if version == version_before {
            format!("the version byte stays {version}")
        } else {
            format!("the version byte goes from {version_before} to {version}")
        };
        if flags != flags_before {
            clauses.push(format!("flags byte {flags_before:#04x} became {flags:#04x}, {version_told}"));
        }
        let numbers: BTreeSet<u32> = fields.keys().chain(had.keys()).copied().collect();
        for number in numbers {
            let name = field(number);
            match (had.get(&number), fields.get(&number)) {
                (None, Some(_)) => clauses.push(format!("{name} is written now, {version_told}")),
                (Some(_), None) => clauses.push(format!("{name} is not written any more, {version_told}")),
                // A checksum follows what it sums up.
                (Some(_), Some(_)) if number == 15 => {}
                (Some(before), Some(now)) if before != now && [7, 8, 10].contains(&number) => {
                    let all = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
                    clauses.push(format!("{name} goes from {} to {}, {version_told}", all(before), all(now)));
                }
                (Some(before), Some(now)) if before != now => {
                    clauses.push(format!("{name} has another value, {version_told}"));
                }
                _ => {}
            }
        }
        if payload != payload_before {
            clauses.push("the payload section has other bytes".to_owned());
        }
        clauses
    }
}

/// A field with its name, which stands in the list at its number.
fn field(number: u32) -> String {
    let name = METADATA_KEYS.get((number as usize).wrapping_sub(1));
    name.map_or_else(|| format!("field {number}"), |name| format!("field {number} ({name})"))
}

fn changes(
    readings: &CrossReading,
    judged: &[Judged],
    (before, before_at): (&Traits, usize),
    (now, now_at): (&Traits, usize),
) -> Vec<Change> {
    let all = meanings();
    let title = |name: &str| {
        all.iter()
            .find(|meaning| meaning.name == name)
            .map_or_else(|| name.to_owned(), |meaning| meaning.title.to_owned())
    };
    let mut found: Vec<(String, BTreeSet<String>)> = Vec::new();
    let mut add = |what: String, shows_in: String| match found.iter_mut().find(|(known, _)| *known == what) {
        Some((_, titles)) => _ = titles.insert(shows_in),
        None => found.push((what, BTreeSet::from([shows_in]))),
    };
    let names: BTreeSet<&String> = before.writes.keys().chain(now.writes.keys()).collect();
    for name in names {
        let form = |traits: &Traits| traits.writes.get(name).cloned().unwrap_or(Form::Absent);
        for clause in form(now).changes(&form(before)) {
            add(format!("writing: {clause}"), title(name));
        }
    }
    let by: HashMap<(usize, usize, &str), &Verdict> =
        judged.iter().map(|one| ((one.reader, one.writer, one.meaning), &one.verdict)).collect();
    for one in &readings.writings {
        let verdict = |reader: usize| by.get(&(reader, one.writer, one.meaning.as_str()));
        let (Some(old), Some(new)) = (verdict(before_at), verdict(now_at)) else { continue };
        let same_doing = |a: &Verdict, b: &Verdict| words(a) == words(b);
        if !same_doing(old, new) {
            let from = readings.participants.get(one.writer).map(|writer| writer.spec.as_str());
            let what = format!(
                "reading messages of dialect {}: now {}, before {}",
                from.unwrap_or_default(),
                words(new),
                words(old)
            );
            add(what, title(&one.meaning));
        }
    }
    found.into_iter().map(|(what, titles)| Change { what, shows_in: titles.into_iter().collect() }).collect()
}

/// A verdict in a clause.
fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Same => "understood".to_owned(),
        Verdict::Lost(all) => format!("understood but for {}", told(all)),
        Verdict::Misread(all, _) => format!("misread ({})", told(all)),
        Verdict::Refused(..) => "refused".to_owned(),
        Verdict::Died(_) => "no answer".to_owned(),
        Verdict::NotRead(_) => "not asked".to_owned(),
    }
}
