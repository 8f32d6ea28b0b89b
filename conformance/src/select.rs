//! Which cases run.

use std::collections::BTreeSet;

use crate::case::{Case, Level, Spec};
use crate::glob::{Glob, nearest};
use crate::requirement::{Catalogue, area_of};

/// What a person asked for. Each kind that is given narrows the selection; inside a kind, any match is enough.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Patterns over case ids, with the dialect or without: see [`Glob`]. One without wildcards also selects what is
    /// below it: `hdr` is all of `hdr/…`.
    pub run: Vec<Glob>,
    /// Patterns of the same kind: cases that are left out.
    pub skip: Vec<Glob>,
    /// Patterns over requirement ids, e.g. `AVP-HDR-002` or `AVP-KV-*`.
    pub requirements: Vec<Glob>,
    /// Codes of areas, e.g. `HDR`, in any case.
    pub areas: Vec<String>,
    /// Weights: a case counts by its weightiest requirement.
    pub levels: Vec<Level>,
    /// Dialects.
    pub specs: Vec<Spec>,
    /// The `index`-th (from 0) of `count` parts, by a hash of the id: a part stays the same when cases are added.
    pub shard: Option<Shard>,
}

/// One of several parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// How many there are, at least 1.
    pub count: u32,
}

/// Why nothing is run. None of these is ever a success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A pattern that matches no case at all.
    #[error("{option} `{pattern}` matches nothing{}", hint(.nearest.as_deref()))]
    Unmatched {
        /// The option that it was given to.
        option: &'static str,
        /// The pattern.
        pattern: String,
        /// A name that may have been meant.
        nearest: Option<String>,
    },
    /// Every option matches something, but no case satisfies all.
    #[error("no case is selected: the options exclude each other")]
    Nothing,
    /// There is no such part.
    #[error("part {index} of {count}: parts are counted from 0 to {count} - 1")]
    Shard {
        /// As asked for.
        index: u32,
        /// As asked for.
        count: u32,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl Selection {
    /// Keeps the cases that were asked for, in their order.
    ///
    /// # Errors
    /// [`SelectError`] when an option matches nothing, or all together leave nothing.
    pub fn apply(&self, cases: Vec<Case>, catalogue: &Catalogue) -> Result<Vec<Case>, SelectError> {
        self.check(&cases, catalogue)?;
        let kept: Vec<Case> = cases.into_iter().filter(|case| self.selects(case, catalogue)).collect();
        if kept.is_empty() {
            return Err(SelectError::Nothing);
        }
        Ok(kept)
    }

    /// Whether everything runs.
    pub fn is_everything(&self) -> bool {
        self.describe().is_empty()
    }

    /// The options, one an entry, as they are typed.
    pub fn describe(&self) -> Vec<String> {
        let globs = |option: &str, globs: &[Glob]| -> Vec<String> {
            globs.iter().map(|glob| format!("{option} {}", glob.as_str())).collect()
        };
        let mut options = globs("--id", &self.run);
        options.extend(globs("--skip", &self.skip));
        options.extend(globs("--requirement", &self.requirements));
        options.extend(self.areas.iter().map(|area| format!("--area {area}")));
        options.extend(self.levels.iter().map(|level| format!("--level {}", level_name(*level))));
        options.extend(self.specs.iter().map(|spec| format!("--spec {}", spec.as_str())));
        options.extend(self.shard.map(|shard| format!("--shard {}/{}", shard.index, shard.count)));
        options
    }

    /// The same from options as [`Self::describe`] writes them, and the options that are none of a selection.
    pub fn from_described(options: &[String]) -> (Self, Vec<&str>) {
        let mut selection = Self::default();
        let mut rest = Vec::new();
        for option in options {
            let known = option.split_once(' ').is_some_and(|(name, value)| selection.take(name, value));
            if !known {
                rest.push(option.as_str());
            }
        }
        (selection, rest)
    }

    /// Takes one option, when it is one.
    fn take(&mut self, name: &str, value: &str) -> bool {
        let levels = [Level::Must, Level::Should, Level::May];
        let specs = [Spec::V02, Spec::V04];
        match name {
            "--id" => self.run.push(Glob::new(value)),
            "--skip" => self.skip.push(Glob::new(value)),
            "--requirement" => self.requirements.push(Glob::new(value)),
            "--area" => self.areas.push(value.to_owned()),
            "--level" => match levels.iter().find(|level| level_name(**level) == value) {
                Some(level) => self.levels.push(*level),
                None => return false,
            },
            "--spec" => match specs.iter().find(|spec| spec.as_str() == value) {
                Some(spec) => self.specs.push(*spec),
                None => return false,
            },
            "--shard" => {
                let part = value.split_once('/').and_then(|(index, count)| {
                    Some(Shard {
                        index: index.parse().ok()?,
                        count: count.parse().ok().filter(|count| *count > 0)?,
                    })
                });
                match part {
                    Some(part) if self.shard.is_none() => self.shard = Some(part),
                    _ => return false,
                }
            }
            _ => return false,
        }
        true
    }

    fn check(&self, cases: &[Case], catalogue: &Catalogue) -> Result<(), SelectError> {
        if let Some(Shard { index, count }) = self.shard
            && index >= count
        {
            return Err(SelectError::Shard { index, count });
        }
        for (option, globs) in [("--id", &self.run), ("--skip", &self.skip)] {
            for glob in globs {
                if !cases.iter().any(|case| names(glob, case)) {
                    return Err(unmatched(option, glob.as_str(), cases.iter().map(|case| case.id.as_str())));
                }
            }
        }
        let tested: BTreeSet<&str> =
            cases.iter().flat_map(|case| &case.requirements).map(String::as_str).collect();
        for glob in &self.requirements {
            if !tested.iter().any(|id| glob.matches(id)) {
                return Err(unmatched("--requirement", glob.as_str(), tested.iter().copied()));
            }
        }
        for area in &self.areas {
            if !tested.iter().any(|id| area_of(id).eq_ignore_ascii_case(area)) {
                let known = catalogue.areas().iter().map(|area| area.code.as_str());
                return Err(unmatched("--area", area, known));
            }
        }
        for spec in &self.specs {
            if !cases.iter().any(|case| case.spec == *spec) {
                return Err(unmatched("--spec", spec.as_str(), []));
            }
        }
        for level in &self.levels {
            if !cases.iter().any(|case| level_of(case, catalogue) == *level) {
                return Err(unmatched("--level", level_name(*level), []));
            }
        }
        Ok(())
    }

    fn selects(&self, case: &Case, catalogue: &Catalogue) -> bool {
        let any = |globs: &[Glob]| globs.iter().any(|glob| names(glob, case));
        let asked_for = |id: &String| self.requirements.iter().any(|glob| glob.matches(id));
        (self.run.is_empty() || any(&self.run))
            && !any(&self.skip)
            && (self.requirements.is_empty() || case.requirements.iter().any(asked_for))
            && (self.areas.is_empty() || case.requirements.iter().any(|id| self.has_area(area_of(id))))
            && (self.levels.is_empty() || self.levels.contains(&level_of(case, catalogue)))
            && (self.specs.is_empty() || self.specs.contains(&case.spec))
            && self
                .shard
                .is_none_or(|shard| stable_hash(&case.id) % u64::from(shard.count) == u64::from(shard.index))
    }

    fn has_area(&self, code: &str) -> bool {
        self.areas.iter().any(|area| area.eq_ignore_ascii_case(code))
    }
}

/// Whether a pattern means a case.
fn names(glob: &Glob, case: &Case) -> bool {
    let below = || case.id.strip_prefix(glob.as_str()).is_some_and(|rest| rest.starts_with('/'));
    glob.matches(&case.id) || glob.matches(&case.key()) || (glob.is_literal() && below())
}

/// Weight of a case: its own, or that of its weightiest requirement.
pub fn level_of(case: &Case, catalogue: &Catalogue) -> Level {
    case.level.unwrap_or_else(|| catalogue.level_of(case.requirements.iter().map(String::as_str)))
}

fn unmatched<'a>(
    option: &'static str,
    pattern: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> SelectError {
    SelectError::Unmatched {
        option,
        pattern: pattern.to_owned(),
        nearest: nearest(pattern, names).first().map(|name| (*name).to_owned()),
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
        Level::May => "MAY",
    }
}

/// FNV-1a: the same on every machine and in every release, unlike the standard library's hasher.
fn stable_hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::case::{Expect, Source, Step};

    fn case(id: &str, requirement: &str, spec: Spec) -> Case {
        Case {
            id: id.into(),
            spec,
            requirements: vec![requirement.into()],
            why: "w".into(),
            bug: None,
            level: None,
            ambiguity: None,
            requires: Vec::new(),
            steps: vec![Step {
                op: "decode".into(),
                args: Map::new(),
                parts: Vec::new(),
                expect: Expect::Alive,
                rss_growth_mib: None,
                files: None,
                tamper: Vec::new(),
            }],
            relation: None,
            timeout_ms: None,
            source: Source::Vector { rev: 1 },
            patched: Vec::new(),
        }
    }

    fn cases() -> Vec<Case> {
        vec![
            case("hdr/magic", "AVP-HDR-002", Spec::V02),
            case("hdr/magic", "AVP-HDR-002", Spec::V04),
            case("hdr/got", "AVP-HDR-003", Spec::V04),
            case("kv/layers", "AVP-KV-001", Spec::V04),
        ]
    }

    fn keys(selection: &Selection) -> Result<Vec<String>, SelectError> {
        let kept = selection.apply(cases(), Catalogue::embedded())?;
        Ok(kept.iter().map(Case::key).collect())
    }

    #[test]
    fn each_kind_narrows() {
        let all = Selection::default();
        assert!(all.is_everything());
        assert_eq!(keys(&all).unwrap().len(), 4);
        let run = Selection { run: vec![Glob::new("hdr")], ..Selection::default() };
        assert_eq!(keys(&run).unwrap().len(), 3);
        let spec = Selection { specs: vec![Spec::V02], ..run.clone() };
        assert_eq!(keys(&spec).unwrap(), ["hdr/magic@0.2"]);
        let skip = Selection { skip: vec![Glob::new("hdr/magic@0.4")], ..run.clone() };
        assert_eq!(keys(&skip).unwrap(), ["hdr/magic@0.2", "hdr/got@0.4"]);
        let level = Selection { levels: vec![Level::Should], ..run };
        assert_eq!(keys(&level).unwrap(), ["hdr/got@0.4"]);
        let area = Selection { areas: vec!["kv".into()], ..Selection::default() };
        assert_eq!(keys(&area).unwrap(), ["kv/layers@0.4"]);
        let requirement = Selection { requirements: vec![Glob::new("AVP-HDR-*")], ..Selection::default() };
        assert_eq!(keys(&requirement).unwrap().len(), 3);
        assert_eq!(requirement.describe(), ["--requirement AVP-HDR-*"]);
    }

    #[test]
    fn what_is_described_means_the_same_again() {
        let selection = Selection {
            run: vec![Glob::new("hdr"), Glob::new("kv/**")],
            skip: vec![Glob::new("kv/a b")],
            requirements: vec![Glob::new("AVP-*")],
            areas: vec!["HDR".into()],
            levels: vec![Level::Must, Level::Should],
            specs: vec![Spec::V04],
            shard: Some(Shard { index: 1, count: 3 }),
        };
        let mut options = selection.describe();
        options.extend(["--vectors-only", "--shard 1/0", "--level must", "--shard 0/2"].map(str::to_owned));
        let (again, rest) = Selection::from_described(&options);
        assert_eq!(again.describe(), selection.describe());
        assert_eq!(rest, ["--vectors-only", "--shard 1/0", "--level must", "--shard 0/2"]);
    }

    #[test]
    fn what_matches_nothing_is_an_error_with_a_hint() {
        let run = Selection { run: vec![Glob::new("hdr"), Glob::new("hdr/magik")], ..Selection::default() };
        let error = keys(&run).unwrap_err();
        assert_eq!(error.to_string(), "--id `hdr/magik` matches nothing; did you mean `hdr/magic`?");
        let skip = Selection { skip: vec![Glob::new("nope")], ..Selection::default() };
        assert!(keys(&skip).is_err());
        let area = Selection { areas: vec!["SES".into()], ..Selection::default() };
        assert!(matches!(keys(&area), Err(SelectError::Unmatched { option: "--area", .. })));
        let both = Selection {
            run: vec![Glob::new("kv")],
            requirements: vec![Glob::new("AVP-HDR-*")],
            ..Selection::default()
        };
        assert_eq!(keys(&both), Err(SelectError::Nothing));
    }

    #[test]
    fn parts_tile_the_whole() {
        let mut seen = Vec::new();
        for index in 0..3 {
            let shard = Selection { shard: Some(Shard { index, count: 3 }), ..Selection::default() };
            match keys(&shard) {
                Ok(keys) => seen.extend(keys),
                Err(error) => assert_eq!(error, SelectError::Nothing),
            }
        }
        seen.sort();
        let mut all = keys(&Selection::default()).unwrap();
        all.sort();
        assert_eq!(seen, all);
        let outside = Selection { shard: Some(Shard { index: 3, count: 3 }), ..Selection::default() };
        assert_eq!(keys(&outside), Err(SelectError::Shard { index: 3, count: 3 }));
    }
}
