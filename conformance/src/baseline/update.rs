//! Baseline × what a run saw → the file that would have expected it, comments and order kept.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::{Baseline, Date, Kind, ParseError, Pattern, Seen, Standing};
use crate::verdict::Outcome;

/// A deviation that belongs into the baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// `case@spec`.
    pub key: String,
    /// Name of the check.
    pub check: String,
    /// How it ended.
    pub kind: Kind,
    /// Why, for an entry that has to be written for it. Deviations of one reason share an entry.
    pub reason: String,
}

/// What was done to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An entry was written for these patterns.
    Added(Vec<String>),
    /// A pattern was replaced by those of its checks that still deviate.
    Narrowed {
        /// The pattern.
        from: String,
        /// What stands there now.
        to: Vec<String>,
    },
    /// A pattern, and its entry when it was the last one there, was taken out.
    Removed(String),
    /// An entry's date has passed: a person has to decide.
    Expired(String),
}

/// The new file.
#[derive(Clone, Debug)]
pub struct Update {
    /// Its text.
    pub text: String,
    /// What is different.
    pub changes: Vec<Change>,
}

/// Rewrites `text` (a baseline file, or nothing) so that it expects what the run saw: patterns that no longer hold are
/// narrowed or taken out, and `deviations` that no entry expects are added at the end. Everything else stays as it is,
/// to the byte.
///
/// # Errors
/// [`ParseError`] when `text` is no baseline.
pub fn update(text: &str, seen: &Seen, deviations: &[Deviation], today: Date) -> Result<Update, ParseError> {
    let baseline = Baseline::parse(text)?;
    let mut document: DocumentMut = text.parse().map_err(toml_edit::de::Error::from)?;
    let mut changes = Vec::new();
    let applied = baseline.apply(seen, today);

    let new: Vec<(&Deviation, Option<&str>)> = deviations
        .iter()
        .filter_map(|deviation| match applied.standing(&deviation.key, &deviation.check) {
            Standing::Unexpected => Some((deviation, None)),
            // The old entry loses the check below; the new one keeps its reason.
            Standing::OtherKind(entry) => Some((deviation, Some(entry.reason.as_str()))),
            Standing::Expected(_) | Standing::Expired(_) => None,
        })
        .collect();

    let tables = document.entry("expect").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let Some(tables) = tables.as_array_of_tables_mut() else {
        // `expect = []` is a valid, empty baseline in another notation.
        *tables = Item::ArrayOfTables(ArrayOfTables::new());
        return update(&document.to_string(), seen, deviations, today);
    };
    let mut gone = Vec::new();
    for (index, entry) in baseline.entries.iter().enumerate() {
        let mut kept = Vec::new();
        let mut changed = false;
        for pattern in &entry.patterns {
            match verdict_on(pattern, entry.kind, seen) {
                Fate::Keep => kept.push(pattern.to_string()),
                Fate::Narrow(to) if to.is_empty() => {
                    changed = true;
                    changes.push(Change::Removed(pattern.to_string()));
                }
                Fate::Narrow(to) => {
                    changed = true;
                    changes.push(Change::Narrowed { from: pattern.to_string(), to: to.clone() });
                    kept.extend(to);
                }
            }
        }
        if entry.until.is_some_and(|until| today >= until) {
            changes.push(Change::Expired(entry.patterns[0].to_string()));
        }
        if kept.is_empty() {
            gone.push(index);
        } else if changed {
            set_check(tables, index, &kept);
        }
    }
    let mut orphaned = String::new();
    for index in gone.into_iter().rev() {
        orphaned = take_out(tables, index, orphaned);
    }
    let had_entries = !tables.is_empty();
    for ((kind, reason), patterns) in grouped(&new, seen) {
        tables.push(entry_table(kind, reason, &patterns));
        changes.push(Change::Added(patterns));
    }
    if !had_entries {
        // Without an entry, what stands in the file is its heading: it stays in front of the first one.
        let heading = document.trailing().as_str().unwrap_or_default().trim_end().to_owned();
        if !heading.is_empty() {
            orphaned.push_str(&format!("{heading}\n"));
            document.set_trailing("");
        }
    }
    let text = format!("{orphaned}{document}");
    Ok(Update { text: text.trim_start_matches('\n').to_owned(), changes })
}

enum Fate {
    Keep,
    Narrow(Vec<String>),
}

fn verdict_on(pattern: &Pattern, kind: Kind, seen: &Seen) -> Fate {
    if seen.unselected().iter().any(|key| pattern.fits_case(key)) {
        return Fate::Keep;
    }
    let mut holds = BTreeSet::new();
    let mut all_hold = true;
    let mut any = false;
    let mut idle = false;
    for (key, checks) in seen.cases() {
        let mut fitting = checks.iter().filter(|(name, _)| pattern.fits(key, name)).peekable();
        if fitting.peek().is_none() {
            continue;
        }
        any = true;
        let (mut here, mut other, mut ran) = (false, false, false);
        for (name, outcome) in fitting {
            ran |= Kind::of(*outcome) != Some(Kind::NotRun);
            if kind.expects(*outcome) {
                here = true;
                holds.insert((key.clone(), name.clone()));
            } else if Kind::of(*outcome).is_some_and(|found| found != Kind::NotRun) {
                other = true;
            }
        }
        idle |= !ran && kind != Kind::NotRun;
        all_hold &= !other && (here || !ran || kind == Kind::Flaky);
    }
    let broad = kind == Kind::NotRun && !holds.is_empty();
    if broad || any && all_hold || (idle && holds.is_empty()) {
        return Fate::Keep;
    }
    Fate::Narrow(compact(&holds, |key, check| holds.contains(&(key.to_owned(), check.to_owned())), seen))
}

/// Literal patterns for `checks`; the dialect is left out where every dialect that was run deviates alike.
fn compact(
    checks: &BTreeSet<(String, String)>,
    deviates: impl Fn(&str, &str) -> bool,
    seen: &Seen,
) -> Vec<String> {
    let mut patterns = Vec::new();
    for (key, check) in checks {
        let id = key.split('@').next().unwrap_or(key);
        let dialects = seen.cases().keys().filter(|other| other.split('@').next() == Some(id));
        let pattern = if dialects.clone().all(|other| deviates(other, check)) {
            format!("{id}#{check}")
        } else {
            format!("{key}#{check}")
        };
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    patterns
}

type Groups<'a> = BTreeMap<(&'static str, &'a str), Vec<String>>;

/// A whole area that was not run is one pattern.
fn areas_left_out(patterns: Vec<String>, seen: &Seen) -> Vec<String> {
    let area = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
    let not_run = |key: &str, checks: &BTreeMap<String, Outcome>, wanted: &str| {
        area(key) != wanted || checks.values().all(|outcome| *outcome == Outcome::NotApplicable)
    };
    let mut short: Vec<String> = Vec::new();
    for pattern in patterns {
        let wanted = area(&pattern);
        let whole = seen.cases().iter().all(|(key, checks)| not_run(key, checks, &wanted));
        let pattern = if whole { format!("{wanted}/**") } else { pattern };
        if !short.contains(&pattern) {
            short.push(pattern);
        }
    }
    short
}

fn grouped<'a>(new: &[(&'a Deviation, Option<&'a str>)], seen: &Seen) -> Groups<'a> {
    let mut groups: BTreeMap<(&'static str, &str), BTreeSet<(String, String)>> = BTreeMap::new();
    for (deviation, reason) in new {
        let group = (deviation.kind.as_str(), reason.unwrap_or(&deviation.reason));
        groups.entry(group).or_default().insert((deviation.key.clone(), deviation.check.clone()));
    }
    groups
        .iter()
        .map(|(group, checks)| {
            let all = |key: &str, check: &str| checks.contains(&(key.to_owned(), check.to_owned()));
            let patterns = compact(checks, all, seen);
            let broad = group.0 == Kind::NotRun.as_str();
            (*group, if broad { areas_left_out(patterns, seen) } else { patterns })
        })
        .collect()
}

fn entry_table(kind: &str, reason: &str, patterns: &[String]) -> Table {
    let mut table = Table::new();
    table["check"] = check_value(patterns);
    table["kind"] = value(kind);
    table["reason"] = value(reason);
    table.decor_mut().set_prefix("\n");
    table
}

fn set_check(tables: &mut ArrayOfTables, index: usize, patterns: &[String]) {
    if let Some(table) = tables.get_mut(index) {
        let old = table.get("check").and_then(Item::as_value).map(|check| check.decor().clone());
        let mut new = check_value(patterns);
        if let (Some(old), Some(new)) = (old, new.as_value_mut()) {
            *new.decor_mut() = old;
        }
        table["check"] = new;
    }
}

fn check_value(patterns: &[String]) -> Item {
    match patterns {
        [one] => value(one.as_str()),
        many => {
            let mut array = Array::new();
            for pattern in many {
                array.push_formatted(toml_edit::Value::from(pattern.as_str()).decorated("\n    ", ""));
            }
            array.set_trailing("\n");
            array.set_trailing_comma(true);
            value(array)
        }
    }
}

/// Takes an entry out. Comments above it go with it, except those that a blank line sets apart: they belong to the file
/// and move on to whatever follows. Returns what found no place.
fn take_out(tables: &mut ArrayOfTables, index: usize, orphaned: String) -> String {
    let prefix = tables
        .get(index)
        .and_then(|table| table.decor().prefix()?.as_str().map(str::to_owned))
        .unwrap_or_default();
    tables.remove(index);
    let Some((apart, _)) = prefix.rsplit_once("\n\n").filter(|(apart, _)| !apart.trim().is_empty()) else {
        return orphaned;
    };
    match tables.get_mut(index) {
        Some(next) => {
            let own = next.decor().prefix().and_then(|raw| raw.as_str()).unwrap_or_default();
            let joined = format!("{apart}\n\n{}", own.trim_start_matches('\n'));
            next.decor_mut().set_prefix(joined);
            orphaned
        }
        None if orphaned.is_empty() => format!("{}\n", apart.trim_start_matches('\n')),
        None => format!("{}\n\n{orphaned}", apart.trim_start_matches('\n')),
    }
}

#[cfg(test)]
mod tests;
