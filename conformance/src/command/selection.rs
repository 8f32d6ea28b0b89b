//! Options that say which cases are meant.

use std::collections::HashSet;

use avp_conformance::{
    case::{Case, Level, Spec},
    gate::Exit,
    glob::Glob,
    requirement::{Catalogue, area_of},
    select::{SelectError, Selection, Shard},
    tally::{PROFILES, Profile, profile_named},
};
use clap::Args;

use super::Ended;

/// Which cases.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which cases")]
pub(super) struct SelectionArgs {
    /// Only these areas: HDR,KV
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(super) area: Vec<String>,
    /// Only cases whose id fits: hdr/magic/swapped, 'cmp/**', hdr/version/two@0.4
    #[arg(long, alias = "run", value_name = "GLOB", value_delimiter = ',')]
    pub(super) id: Vec<String>,
    /// Leave these cases out
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(super) skip: Vec<String>,
    /// Only cases that test these requirements: AVP-HDR-002, 'AVP-KV-*'
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(super) requirement: Vec<String>,
    /// Only cases of this weight: must, should, may
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', value_parser = level)]
    pub(super) level: Vec<Level>,
    /// Only these dialects, declared or not: 0.2,0.4
    #[arg(long, value_name = "VERSION", value_delimiter = ',', value_parser = spec)]
    pub(super) spec: Vec<Spec>,
    /// Only one part of several, counted from 0: 0/3
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub(super) shard: Option<Shard>,
    /// The set of areas that the verdict is about [possible values: core, kv, handshake, latent, http, full]
    #[arg(long, value_name = "NAME", value_parser = profile)]
    pub(super) profile: Option<&'static Profile>,
}

impl SelectionArgs {
    /// The same for the library. A profile means its areas.
    pub(super) fn selection(&self, profile: &Profile) -> Selection {
        let globs = |texts: &[String]| texts.iter().map(Glob::new).collect();
        let mut areas = self.area.clone();
        if areas.is_empty() {
            areas = profile.areas.iter().map(|area| (*area).to_owned()).collect();
        }
        Selection {
            run: globs(&self.id),
            skip: globs(&self.skip),
            requirements: globs(&self.requirement),
            areas,
            levels: self.level.clone(),
            specs: self.spec.clone(),
            shard: self.shard,
        }
    }
}

/// Keeps the cases that were asked for. That nothing fits is told with what there is.
pub(super) fn apply(selection: &Selection, cases: Vec<Case>) -> anyhow::Result<Vec<Case>> {
    let tested: HashSet<&str> =
        cases.iter().flat_map(|case| &case.requirements).map(|id| area_of(id)).collect();
    let areas = Catalogue::embedded().areas().iter().map(|area| area.code.as_str());
    let areas: Vec<_> = areas.filter(|code| tested.contains(code)).collect();
    selection.apply(cases, Catalogue::embedded()).map_err(|error| {
        let hint = match &error {
            SelectError::Unmatched { option: "--area", .. } => {
                Some(format!("areas with cases: {}", areas.join(", ")))
            }
            SelectError::Unmatched { nearest: None, .. } => {
                Some("avp-conformance list names cases, list requirements what they test".to_owned())
            }
            _ => None,
        };
        let ended = Ended::new(Exit::Usage, error);
        match hint {
            Some(hint) => ended.hint(hint).into(),
            None => ended.into(),
        }
    })
}

/// What a verdict is about when nothing is said.
pub(super) fn default_profile() -> &'static Profile {
    &PROFILES[PROFILES.len() - 1]
}

pub(super) fn profile(text: &str) -> Result<&'static Profile, String> {
    profile_named(text).ok_or_else(|| {
        let names: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
        format!("profiles are {}", names.join(", "))
    })
}

pub(super) fn spec(text: &str) -> Result<Spec, String> {
    let known = [Spec::V02, Spec::V04].into_iter().find(|spec| spec.as_str() == text);
    known.ok_or_else(|| "dialects are 0.2 and 0.4".to_owned())
}

fn level(text: &str) -> Result<Level, String> {
    match text.to_ascii_lowercase().as_str() {
        "must" => Ok(Level::Must),
        "should" => Ok(Level::Should),
        "may" => Ok(Level::May),
        _ => Err("levels are must, should and may".to_owned()),
    }
}

fn shard(text: &str) -> Result<Shard, String> {
    let parsed = text.split_once('/').and_then(|(index, count)| {
        Some(Shard { index: index.trim().parse().ok()?, count: count.trim().parse().ok()? })
    });
    match parsed {
        Some(shard) if shard.index < shard.count => Ok(shard),
        Some(shard) => Err(format!("parts are counted from 0 to {}", shard.count.saturating_sub(1))),
        None => Err("a part is written I/N, such as 0/3".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read() {
        assert_eq!(shard("2/3"), Ok(Shard { index: 2, count: 3 }));
        for wrong in ["3/3", "1", "a/b", "0/0", "-1/3"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_profile_means_its_areas_unless_areas_are_named() {
        let kv = profile("kv").unwrap();
        assert_eq!(SelectionArgs::default().selection(kv).areas, ["KV"]);
        let named = SelectionArgs { area: vec!["hdr".into()], ..SelectionArgs::default() };
        assert_eq!(named.selection(kv).areas, ["hdr"]);
        assert!(SelectionArgs::default().selection(default_profile()).is_everything());
    }
}
