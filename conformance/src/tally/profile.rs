//! Profiles: named sets of areas that an implementation can conform to.

use serde::{Deserialize, Serialize};

use super::{Status, Tally};
use crate::requirement::area_of;

/// A named set of areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// As it is typed.
    pub name: &'static str,
    /// Codes of its areas; empty for all.
    pub areas: &'static [&'static str],
    /// One sentence for people.
    pub about: &'static str,
}

/// The profiles, smallest first. What is not in the others is only in the last.
pub const PROFILES: [Profile; 6] = [
    Profile {
        name: "core",
        areas: &["HDR", "META", "ENUM", "PAY", "CMP", "JSON"],
        about: "messages can be written and read: header, metadata, payload, compression, JSON fallback",
    },
    Profile { name: "kv", areas: &["KV"], about: "KV caches can be packed and unpacked" },
    Profile {
        name: "handshake",
        areas: &["HASH", "HS", "SES"],
        about: "two agents agree on a mode: model hashes, hello, resolution, sessions",
    },
    Profile {
        name: "latent",
        areas: &["RLN", "XFR", "CTX", "STO", "API", "MET"],
        about: "latent state can be made, kept and handed over: realignment, contexts, their store, transfer modes",
    },
    Profile {
        name: "http",
        areas: &["HTTP", "SEC"],
        about: "messages go over HTTP: a server or a client of the binding, and their security",
    },
    Profile { name: "full", areas: &[], about: "everything that this suite tests" },
];

/// The profile of that name.
pub fn profile_named(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

/// No input makes a decoder crash, hang or allocate beyond limits.
const STAY_ALIVE: &str = "AVP-SEC-012";

impl Profile {
    /// Whether a requirement belongs to it. Staying alive belongs to each: no profile holds while a case of
    /// its areas kills the decoder.
    pub fn covers(&self, requirement: &str) -> bool {
        self.names(requirement) || requirement == STAY_ALIVE
    }

    fn names(&self, requirement: &str) -> bool {
        self.areas.is_empty() || self.areas.contains(&area_of(requirement))
    }
}

/// What a run says about a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Every required requirement was verified, and none is broken.
    Conformant,
    /// At least one requirement is broken.
    NotConformant,
    /// Nothing is broken, but a required requirement was not verified.
    Incomplete,
    /// The run was narrowed to some cases, ended early, or its answers can't be believed: it says nothing about the profile.
    NotJudged,
}

/// The verdict on a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileVerdict {
    /// Its name.
    pub name: &'static str,
    /// The verdict.
    pub standing: Standing,
    /// How many requirements must be verified.
    pub required: usize,
    /// Ids of broken requirements.
    pub broken: Vec<String>,
    /// Ids of required requirements that were not verified.
    pub unverified: Vec<String>,
}

impl Tally {
    /// The verdicts on all profiles of which the run asked anything.
    pub fn profiles(&self, strict: bool) -> Vec<ProfileVerdict> {
        PROFILES.iter().filter_map(|profile| self.profile(profile, strict)).collect()
    }

    /// The verdict on a profile, or `None` when the run asked nothing of it.
    pub fn profile(&self, profile: &Profile, strict: bool) -> Option<ProfileVerdict> {
        let covered: Vec<_> =
            self.requirements.iter().filter(|requirement| profile.covers(&requirement.brief.id)).collect();
        if !covered.iter().any(|requirement| profile.names(&requirement.brief.id)) {
            return None;
        }
        let breaks = |status: Status| status == Status::Fail || strict && status == Status::Warn;
        let ids = |wanted: &dyn Fn(&super::RequirementVerdict) -> bool| -> Vec<String> {
            let found = covered.iter().filter(|requirement| wanted(requirement));
            found.map(|requirement| requirement.brief.id.clone()).collect()
        };
        let broken = ids(&|requirement| breaks(requirement.status));
        let unverified = ids(&|requirement| requirement.required && requirement.status == Status::NotRun);
        let left_out = self.start.unselected.iter().any(|id| profile.covers(id));
        // What gives a profile its name may be an adapter's choice; without any of it there is no verdict on it.
        let missing = profile.areas.first().is_some_and(|first| {
            let named = |requirement: &&&super::RequirementVerdict| area_of(&requirement.brief.id) == *first;
            covered.iter().filter(named).all(|requirement| requirement.status == Status::NotRun)
        });
        let standing = if !broken.is_empty() {
            Standing::NotConformant
        } else if self.is_dishonest() || left_out || self.is_narrowed() || !self.is_complete() {
            Standing::NotJudged
        } else if !unverified.is_empty() || missing {
            Standing::Incomplete
        } else {
            Standing::Conformant
        };
        let required = covered.iter().filter(|requirement| requirement.required).count();
        Some(ProfileVerdict { name: profile.name, standing, required, broken, unverified })
    }
}
