//! The verdicts of a cross-reading, pair by pair.

use std::collections::BTreeMap;

use super::era::{Era, eras};
use super::judge::told;
use super::meaning::meanings;
use super::{Blame, CrossReading, Verdict};

/// What one reader made of everything that one writer wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// Understood as meant.
    pub same: usize,
    /// Understood but for statements that the reader's dialect has no place for.
    pub lost: usize,
    /// Understood otherwise.
    pub misread: usize,
    /// Refused.
    pub refused: usize,
    /// No answer.
    pub died: usize,
    /// Not asked, since the reader has no operation for it.
    pub not_read: usize,
    /// What was not understood as meant: title of the meaning, what became of it, whose doing.
    pub items: Vec<(String, String, Option<Blame>)>,
}

impl Pair {
    /// How many messages the reader was given.
    pub fn asked(&self) -> usize {
        self.same + self.lost + self.misread + self.refused + self.died
    }

    fn add(&mut self, title: &str, verdict: &Verdict) {
        let (count, told, blame) = match verdict {
            Verdict::Same => return self.same += 1,
            Verdict::NotRead(_) => return self.not_read += 1,
            Verdict::Lost(all) => (&mut self.lost, format!("lost: {}", told(all)), None),
            Verdict::Misread(all, blame) => {
                (&mut self.misread, format!("misread: {}", told(all)), Some(*blame))
            }
            Verdict::Refused(code, blame) => (&mut self.refused, format!("refused: {code}"), Some(*blame)),
            Verdict::Died(how) => (&mut self.died, format!("no answer: {how}"), None),
        };
        *count += 1;
        self.items.push((title.to_owned(), told, blame));
    }
}

/// Participants that stand as one in a table: the releases of an era, or a participant alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camp {
    /// For people.
    pub label: String,
    /// Indices of the participants.
    pub members: Vec<usize>,
}

/// Something that was not understood as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misunderstanding<'a> {
    /// Whose doing; `None` where something was lost for want of a place, or no answer came.
    pub blame: Option<Blame>,
    /// What became of it.
    pub told: &'a str,
    /// Titles of the meanings.
    pub titles: Vec<&'a str>,
    /// Camps that read.
    pub readers: Vec<&'a str>,
    /// Camps that wrote.
    pub writers: Vec<&'a str>,
}

/// A cross-reading as tables.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// What was recorded.
    pub readings: &'a CrossReading,
    /// The eras.
    pub eras: Vec<Era>,
    /// The camps, in the order of the participants.
    pub camps: Vec<Camp>,
    pairs: BTreeMap<(usize, usize), Pair>,
}

impl<'a> Table<'a> {
    /// Judges and counts.
    pub fn new(readings: &'a CrossReading) -> Self {
        let titles: BTreeMap<&str, &str> =
            meanings().iter().map(|meaning| (meaning.name, meaning.title)).collect();
        let mut pairs: BTreeMap<(usize, usize), Pair> = BTreeMap::new();
        for one in readings.judge() {
            let title = titles.get(one.meaning).copied().unwrap_or(one.meaning);
            pairs.entry((one.writer, one.reader)).or_default().add(title, &one.verdict);
        }
        let eras = eras(readings);
        let camps = camps(readings, &eras);
        Self { readings, eras, camps, pairs }
    }

    /// What a reader made of a writer; `None` when nothing was written, or nothing asked.
    pub fn pair(&self, writer: usize, reader: usize) -> Option<&Pair> {
        self.pairs.get(&(writer, reader)).filter(|pair| pair.asked() > 0)
    }

    /// Whether it wrote anything.
    pub fn writes(&self, participant: usize) -> bool {
        self.pairs.range((participant, 0)..(participant + 1, 0)).next().is_some()
    }

    /// Whether it read anything.
    pub fn reads(&self, participant: usize) -> bool {
        (0..self.readings.participants.len()).any(|writer| self.pair(writer, participant).is_some())
    }

    /// The different things that came of the members of two camps.
    pub fn between(&self, writers: &Camp, readers: &Camp) -> Vec<&Pair> {
        let mut found: Vec<&Pair> = Vec::new();
        for writer in &writers.members {
            for reader in &readers.members {
                if let Some(pair) = self.pair(*writer, *reader)
                    && !found.contains(&pair)
                {
                    found.push(pair);
                }
            }
        }
        found
    }

    /// What was not understood as meant, in the order of whose doing it is; camps that fare alike stand together.
    pub fn misunderstandings(&self) -> Vec<Misunderstanding<'_>> {
        type Told<'a> = (Option<Blame>, &'a str, &'a str);
        let mut by_reader: BTreeMap<Told<'_>, Vec<(&str, Vec<&str>)>> = BTreeMap::new();
        for reader in &self.camps {
            for writer in &self.camps {
                for pair in self.between(writer, reader) {
                    for (title, told, blame) in &pair.items {
                        let readers = by_reader.entry((*blame, told, title)).or_default();
                        match readers.iter_mut().find(|(known, _)| *known == reader.label) {
                            Some((_, writers)) if writers.contains(&writer.label.as_str()) => {}
                            Some((_, writers)) => writers.push(&writer.label),
                            None => readers.push((&reader.label, vec![&writer.label])),
                        }
                    }
                }
            }
        }
        let mut by_reader: Vec<_> = by_reader.into_iter().collect();
        by_reader.sort_by_key(|((blame, ..), _)| (blame.is_none(), *blame));
        let mut found: Vec<Misunderstanding<'_>> = Vec::new();
        for ((blame, told, title), by_reader) in by_reader {
            let mut together: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
            for (reader, writers) in by_reader {
                match together.iter_mut().find(|(_, known)| *known == writers) {
                    Some((readers, _)) => readers.push(reader),
                    None => together.push((vec![reader], writers)),
                }
            }
            for (readers, writers) in together {
                let alike = |one: &&mut Misunderstanding<'_>| {
                    (one.blame, one.told) == (blame, told) && one.readers == readers && one.writers == writers
                };
                match found.iter_mut().find(alike) {
                    Some(one) => one.titles.push(title),
                    None => {
                        found.push(Misunderstanding { blame, told, titles: vec![title], readers, writers });
                    }
                }
            }
        }
        found
    }

    /// What was not written although it was asked for: titles, why, labels of the participants.
    pub fn unwritten(&self) -> Vec<(Vec<&str>, String, Vec<String>)> {
        let titles: BTreeMap<&str, &str> =
            meanings().iter().map(|meaning| (meaning.name, meaning.title)).collect();
        let mut by: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
        for one in &self.readings.writings {
            let why = match &one.written {
                super::Written::Message(_) => continue,
                super::Written::Not(why) => why.clone(),
                super::Written::Lost(how) => format!("no answer: {how}"),
            };
            let writer = self.readings.participants[one.writer].label();
            let title = titles.get(one.meaning.as_str()).copied().unwrap_or(one.meaning.as_str());
            by.entry((title, why)).or_default().push(writer);
        }
        let mut found: Vec<(Vec<&str>, String, Vec<String>)> = Vec::new();
        for ((title, why), writers) in by {
            match found.iter_mut().find(|(_, known, who)| *known == why && *who == writers) {
                Some((titles, ..)) => titles.push(title),
                None => found.push((vec![title], why, writers)),
            }
        }
        found
    }
}

fn camps(readings: &CrossReading, eras: &[Era]) -> Vec<Camp> {
    let mut camps: Vec<Camp> = Vec::new();
    for (index, participant) in readings.participants.iter().enumerate() {
        if camps.iter().any(|camp| camp.members.contains(&index)) {
            continue;
        }
        match eras.iter().find(|era| era.members.contains(&index)) {
            Some(era) => camps.push(Camp {
                label: format!("{} {}", era.name, era.span(readings)),
                members: era.members.clone(),
            }),
            None => camps.push(Camp { label: participant.label(), members: vec![index] }),
        }
    }
    camps
}
