//! The tables: what each mutant is, and which requirements it breaks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::KillError;
use crate::requirement::area_of;

/// Where a mutant comes from, and with it how it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Of the switchboard, whatever it was built with.
    Core,
    /// Of a switchboard with a runtime for language models.
    Model,
    /// A server or a client of the HTTP binding.
    Binding,
}

/// The tables, with the files that they are in.
const TABLES: [(Group, &str, &str); 3] = [
    (Group::Core, "mutants.yaml", include_str!("../../mutants/mutants.yaml")),
    (Group::Model, "model.yaml", include_str!("../../mutants/model.yaml")),
    (Group::Binding, "binding.yaml", include_str!("../../mutants/binding.yaml")),
];

/// What must become of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Fate {
    /// For each of these requirements that it breaks, a check is missed.
    Breaks(Vec<String>),
    /// An honesty probe ends the run before a case is asked.
    Stopped(Stopped),
}

/// `stopped`, as the tables write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Stopped {
    /// By a probe.
    #[serde(rename = "stopped")]
    ByProbe,
}

/// One wrong implementation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its name, e.g. `kv-layers-backwards`.
    pub name: String,
    /// Where it comes from.
    pub group: Group,
    /// What must become of it.
    pub fate: Fate,
}

/// All mutants of the tables, by group, then name.
///
/// # Errors
/// [`KillError::Table`]; a test reads the embedded tables.
pub fn mutants() -> Result<Vec<Mutant>, KillError> {
    let mut all = Vec::new();
    for (group, table, text) in TABLES {
        let fates: BTreeMap<String, Fate> =
            serde_yaml::from_str(text).map_err(|error| KillError::Table { table, error })?;
        all.extend(fates.into_iter().map(|(name, fate)| Mutant { name, group, fate }));
    }
    Ok(all)
}

impl Mutant {
    /// The requirements that it breaks; none for one that a probe stops.
    pub fn breaks(&self) -> &[String] {
        match &self.fate {
            Fate::Breaks(requirements) => requirements,
            Fate::Stopped(_) => &[],
        }
    }

    /// Codes of the areas of these requirements.
    pub fn areas(&self) -> BTreeSet<&str> {
        self.breaks().iter().map(|id| area_of(id)).collect()
    }

    /// Operations that it meddles with, by the first word of its name; the others are the reference's own. Empty for a
    /// word that nobody has given any, and for servers and clients, which are asked by requirement.
    pub(super) fn ops(&self) -> &'static [&'static str] {
        if self.group == Group::Binding {
            return &[];
        }
        match self.name.split('-').next().unwrap_or_default() {
            "encode" => &["encode"],
            "sized" => &["encode_sized"],
            "hybrid" => &["encode_hybrid"],
            "method" => &["projection_method"],
            "decode" => &["decode"],
            "stream" => &["decode_stream"],
            "kv" => &["kv_encode", "kv_decode", "kv_size"],
            "hash" => &["model_hash", "tokenizer_hash"],
            "resolve" => &["resolve"],
            "identity" => &["identity_encode", "identity_decode", "identity_extract"],
            "hello" => &["hello_encode", "hello_decode"],
            "session" => &["session_script", "session_stress"],
            "context" => &["context_to_bytes", "context_from_bytes"],
            "store" => &["store_script", "store_stress"],
            "transfer" => &["context_to_bytes", "kv_encode", "recommend_mode", "size_report"],
            "api" => &["easy_unpack", "error_catalog", "inspect", "model_hash"],
            "metrics" => &["codec_timings", "diagnostics", "metrics_catalog", "word_overlap"],
            "json" => &["json_encode", "json_decode"],
            "tensor" => &["encode_tensor", "decode_tensor"],
            "realign" => &["realign_matrix", "realign_cached", "realign_apply", "needs_realignment"],
            "norm" => &["target_norm", "normalize", "realign_apply"],
            "soft" => &["soft_embed"],
            "project" => &["project_vocab", "project_overlap", "project_linear", "vocab_overlap"],
            "validate" => &["validate_decide", "validate_cosine", "validate_ppl", "validation_texts"],
            "gate" => &["assess_transfer", "effective_rank"],
            "map" => &["map_id", "map_find", "map_save", "map_load", "map_import"],
            "calibrate" => &["calibrate"],
            "model" => &["think", "generate", "connector_info"],
            "crossing" => &["transfer"],
            "easy" => &["easy_script"],
            "loophole" => &["encode", "decode"],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::Catalogue;

    #[test]
    fn the_tables_name_requirements_that_there_are() {
        let all = mutants().unwrap();
        assert!(all.len() >= 100, "{}", all.len());
        for mutant in &all {
            for id in mutant.breaks() {
                assert!(Catalogue::embedded().get(id).is_some(), "{}: {id}", mutant.name);
            }
        }
        let names: BTreeSet<&str> = all.iter().map(|mutant| mutant.name.as_str()).collect();
        assert_eq!(names.len(), all.len(), "a name stands in two tables");
    }

    #[test]
    fn every_mutant_is_asked_something() {
        for mutant in mutants().unwrap() {
            assert_eq!(mutant.ops().is_empty(), mutant.group == Group::Binding, "{}", mutant.name);
        }
    }

    #[test]
    fn every_area_has_mutants() {
        let all = mutants().unwrap();
        let broken: BTreeSet<&str> = all.iter().flat_map(Mutant::areas).collect();
        let areas: BTreeSet<&str> =
            Catalogue::embedded().areas().iter().map(|area| area.code.as_str()).collect();
        assert_eq!(broken, areas);
    }
}
