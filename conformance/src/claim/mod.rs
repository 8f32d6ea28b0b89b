//! A statement of conformance: one file with the verdict and everything that it follows from, checked without a network.
//!
//! A bundle is a tar of two files: `claim.json`, which says what was judged by which suite and what came of it, and
//! `events.ndjson.zst`, the events of the run. Whoever has the same suite works everything out again from the events and
//! compares. What no bundle can prove is that the implementation gave these answers: that takes a run of one's own, and the
//! claim says with which command and seed.

mod bundle;
mod verify;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use self::bundle::{Bundle, BundleError, CLAIM_BYTES, EVENTS_BYTES};
pub use self::verify::{Finding, Found, Suite, Verified, verify};

use crate::{
    adapter::Hello,
    case::Spec,
    event::Summary,
    tally::{Profile, Standing, Tally},
};

/// Version of this form. It rises when a reader of the old form would misread the new one.
pub const CLAIM_VERSION: u32 = 1;

/// What is stated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// [`CLAIM_VERSION`].
    pub claim: u32,
    /// Version of the program that wrote it.
    pub tool: String,
    /// What judged.
    pub suite: SuiteName,
    /// Seed of the run.
    pub seed: u64,
    /// Seconds since 1970, UTC, when the run began.
    pub started: u64,
    /// How the cases were selected, an option an entry.
    pub selection: Vec<String>,
    /// Dialects that were run.
    pub specs: Vec<Spec>,
    /// What the adapter said of itself.
    pub implementation: Hello,
    /// The options that named it; empty for the built-in reference.
    pub judged_as: String,
    /// The profile that the verdict is about.
    pub profile: String,
    /// A missed SHOULD failed.
    pub strict: bool,
    /// The verdict.
    pub verdict: Standing,
    /// The verdicts on all profiles of which the run asked anything.
    pub profiles: Vec<ProfileClaim>,
    /// Counts of the run.
    pub summary: Summary,
    /// The events.
    pub events: EventsName,
}

/// What judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteName {
    /// Its version.
    pub version: String,
    /// SHA-256 of its recipes and requirements: see [`crate::vector::suite_digest`].
    pub digest: String,
    /// Digest of the vectors that the run loaded.
    pub vectors: String,
}

/// The verdict on one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileClaim {
    /// Its name.
    pub name: String,
    /// The verdict.
    pub standing: Standing,
    /// How many requirements must be verified.
    pub required: usize,
    /// Ids of broken requirements.
    pub broken: Vec<String>,
    /// Ids of required requirements that were not verified.
    pub unverified: Vec<String>,
}

/// The events by their content, uncompressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsName {
    /// SHA-256, hex.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

impl EventsName {
    /// Of these events, as they were recorded.
    pub fn of(events: &[u8]) -> Self {
        let digest = Sha256::digest(events);
        Self { sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(), bytes: events.len() as u64 }
    }
}

impl Claim {
    /// What a run lets one claim. `None` when it says nothing about the profile, or did not come to its end.
    pub fn of(
        tally: &Tally,
        profile: &Profile,
        strict: bool,
        suite_digest: &str,
        events: EventsName,
    ) -> Option<Self> {
        let verdict = tally.profile(profile, strict)?.standing;
        let start = &tally.start;
        let profiles = tally.profiles(strict).into_iter().map(|verdict| ProfileClaim {
            name: verdict.name.to_owned(),
            standing: verdict.standing,
            required: verdict.required,
            broken: verdict.broken,
            unverified: verdict.unverified,
        });
        Some(Self {
            claim: CLAIM_VERSION,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            suite: SuiteName {
                version: start.suite.clone(),
                digest: suite_digest.to_owned(),
                vectors: start.vectors.clone(),
            },
            seed: start.seed,
            started: start.started,
            selection: start.selection.clone(),
            specs: start.specs.clone(),
            implementation: start.hello.clone(),
            judged_as: start.repeat.clone(),
            profile: profile.name.to_owned(),
            strict,
            verdict,
            profiles: profiles.collect(),
            summary: tally.summary.clone()?,
            events,
        })
    }
}

/// Where two documents differ, as pointers with both values; no more than `most`.
fn differences(claimed: &Value, found: &Value, most: usize) -> Vec<(String, Value, Value)> {
    fn walk(path: &str, a: &Value, b: &Value, most: usize, out: &mut Vec<(String, Value, Value)>) {
        if a == b || out.len() == most {
            return;
        }
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
                for key in keys {
                    let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                    walk(&format!("{path}/{key}"), a, b, most, out);
                }
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (at, (a, b)) in a.iter().zip(b).enumerate() {
                    walk(&format!("{path}/{at}"), a, b, most, out);
                }
            }
            _ => out.push((path.to_owned(), a.clone(), b.clone())),
        }
    }
    let mut out = Vec::new();
    walk("", claimed, found, most, &mut out);
    out
}

#[cfg(test)]
mod tests;
