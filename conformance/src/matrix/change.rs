//! What changed from one release to the next.

use std::collections::BTreeSet;

use super::entry::{Entry, Verdicts};
use crate::tally::Status;

/// Two releases in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Label of the older.
    pub from: String,
    /// Label of the newer.
    pub to: String,
    /// What changed for the worse, the better or otherwise, in that order of kinds.
    pub moves: Vec<(Move, Vec<String>)>,
    /// Operations that the newer has and the older had not.
    pub gained: Vec<String>,
    /// Operations that it has no more.
    pub dropped: Vec<String>,
}

/// How a requirement moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Move {
    /// It held, or was only recorded, and fails now.
    Broken,
    /// It failed and holds, or is only recorded, now.
    Mended,
    /// It held and warns now, or the other way round, without a failure.
    Warned,
    /// It warned and no longer does.
    Unwarned,
    /// It was not run and fails now.
    FailsAtOnce,
    /// It was not run and holds, warns or is recorded now.
    NowRun,
    /// It is not run any more.
    NoLongerRun,
}

impl Move {
    /// For people, before a number of requirements.
    pub fn words(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Mended => "mended",
            Self::Warned => "warn now",
            Self::Unwarned => "warn no more",
            Self::FailsAtOnce => "asked for the first time and broken",
            Self::NowRun => "asked for the first time",
            Self::NoLongerRun => "not asked any more",
        }
    }

    fn of(from: Status, to: Status) -> Option<Self> {
        Some(match (from, to) {
            (from, to) if from == to => return None,
            (Status::NotRun, Status::Fail) => Self::FailsAtOnce,
            (Status::NotRun, _) => Self::NowRun,
            (_, Status::NotRun) => Self::NoLongerRun,
            (_, Status::Fail) => Self::Broken,
            (Status::Fail, _) => Self::Mended,
            (_, Status::Warn) => Self::Warned,
            (Status::Warn, _) => Self::Unwarned,
            // Held and recorded are the same to whoever counts.
            _ => return None,
        })
    }
}

impl Step {
    /// Whether anything changed.
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.gained.is_empty() && self.dropped.is_empty()
    }
}

/// The steps of every implementation with several releases. `entries` stand in the order of the page: releases of one
/// implementation together, the oldest first.
pub fn steps(entries: &[Entry]) -> Vec<Step> {
    let judged: Vec<(&Entry, &Verdicts)> =
        entries.iter().filter_map(|entry| Some((entry, entry.verdicts()?))).collect();
    let pairs = judged.windows(2).filter(|pair| pair[0].0.name == pair[1].0.name);
    pairs.map(|pair| step(pair[0], pair[1])).collect()
}

fn step((older, before): (&Entry, &Verdicts), (newer, now): (&Entry, &Verdicts)) -> Step {
    let ids: BTreeSet<&String> = before.cells.keys().chain(now.cells.keys()).collect();
    let status = |verdicts: &Verdicts, id: &str| {
        // A requirement that the run does not know of is of another dialect: it was not asked either.
        verdicts.cells.get(id).map_or(Status::NotRun, |cell| cell.status)
    };
    let mut moves: Vec<(Move, Vec<String>)> = Vec::new();
    for id in ids {
        let Some(how) = Move::of(status(before, id), status(now, id)) else { continue };
        match moves.iter_mut().find(|(known, _)| *known == how) {
            Some((_, list)) => list.push(id.clone()),
            None => moves.push((how, vec![id.clone()])),
        }
    }
    moves.sort();
    Step {
        from: older.label.clone(),
        to: newer.label.clone(),
        moves,
        gained: now.ops.difference(&before.ops).cloned().collect(),
        dropped: before.ops.difference(&now.ops).cloned().collect(),
    }
}
