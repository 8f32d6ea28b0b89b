//! WRITTEN ID → ARMS: one without its number stands for one a number.

use super::{Arm, CATALOGUE, Cache, CacheKind, Other, Rosetta, RosettaKind};
use crate::run_file::nearest;

/// Latent steps at most: a model that has taken more has long left the positions that it was made for.
const MAX_STEPS: u32 = 100_000;
/// Vectors at most.
const MAX_VECTORS: u32 = 4096;

/// What an id that leaves something open stands for.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    /// Latent steps.
    pub steps: &'a [u32],
    /// Vectors of arms across models.
    pub vectors: &'a [u32],
    /// The models that do not answer.
    pub others: &'a [&'a str],
}

/// What an id has behind its word.
struct Written<'a> {
    id: &'a str,
    word: &'a str,
    number: Option<u32>,
    other: Option<&'a str>,
}

impl<'a> Written<'a> {
    fn parse(id: &'a str) -> Result<Self, String> {
        let (before, other) = match id.split_once(':') {
            Some((before, other)) => (before, Some(other)),
            None => (id, None),
        };
        let (word, number) = match before.split_once('@') {
            Some((word, number)) => {
                (word, Some(number.parse().map_err(|_| format!("a number behind @, found {id:?}"))?))
            }
            None => (before, None),
        };
        Ok(Self { id, word, number, other })
    }

    /// Refuses a number and a model where the arm has none.
    fn plain(&self, arm: Arm) -> Result<Vec<Arm>, String> {
        match (self.number, self.other) {
            (None, None) => Ok(vec![arm]),
            _ => Err(format!("{} alone, found {:?}", self.word, self.id)),
        }
    }
}

impl Defaults<'_> {
    /// The arms that an id stands for.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub fn expand(&self, id: &str) -> Result<Vec<Arm>, String> {
        let written = Written::parse(id)?;
        match written.word {
            "all" => {
                written.plain(Arm::Direct)?;
                self.every()
            }
            "direct" => written.plain(Arm::Direct),
            "prompt-matched" => written.plain(Arm::PromptMatched),
            "no-context" => written.plain(Arm::NoContext),
            "oracle" => written.plain(Arm::Oracle),
            "text" => written.plain(Arm::Text(None)),
            "prefix" => written.plain(Arm::Cache(Cache { steps: 0, kind: CacheKind::Whole })),
            "latent" => self.caches(&written, CacheKind::Whole, 1),
            "sequential" => self.caches(&written, CacheKind::Sequential, 0),
            "chained" => self.caches(&written, CacheKind::Chained, 0),
            "latent-only" => self.caches(&written, CacheKind::LatentOnly, 1),
            "foreign" => self.caches(&written, CacheKind::Foreign, 0),
            "shuffled" => self.caches(&written, CacheKind::Shuffled, 0),
            "noise" => self.caches(&written, CacheKind::Noise, 0),
            "zero" => self.caches(&written, CacheKind::Zero, 0),
            "text-cross" => {
                if written.number.is_some() {
                    return Err(format!("text-cross or text-cross:MODEL, found {id:?}"));
                }
                Ok(self.models(&written)?.into_iter().map(|other| Arm::Text(Some(other))).collect())
            }
            "rosetta" => self.rosettas(&written, RosettaKind::Projected),
            "rosetta-mean" => self.rosettas(&written, RosettaKind::Mean),
            "rosetta-random" => self.rosettas(&written, RosettaKind::Random),
            "rosetta-foreign" => self.rosettas(&written, RosettaKind::Foreign),
            other => {
                let words =
                    CATALOGUE.iter().map(|entry| entry.form.split(['@', ':']).next().unwrap_or_default());
                let meant = nearest(other, words).map(|name| format!("; did you mean {name}?"));
                Err(format!(
                    "{id:?} is no arm{}; `avp-bench list arms` shows them",
                    meant.unwrap_or_default()
                ))
            }
        }
    }

    /// Every arm, in the order of reports.
    fn every(&self) -> Result<Vec<Arm>, String> {
        let words = CATALOGUE.iter().map(|entry| entry.form.split(['@', ':']).next().unwrap_or_default());
        let across = |word: &&str| word.starts_with("rosetta") || *word == "text-cross";
        // What not every task has is asked for by name.
        let asked_for = ["all", "sequential", "chained"];
        let words =
            words.filter(|word| !asked_for.contains(word) && (!self.others.is_empty() || !across(word)));
        let arms: Result<Vec<_>, _> = words.map(|word| self.expand(word)).collect();
        Ok(arms?.into_iter().flatten().collect())
    }

    fn caches(&self, written: &Written<'_>, kind: CacheKind, least: u32) -> Result<Vec<Arm>, String> {
        if written.other.is_some() {
            return Err(format!("no model: caches are of the one that answers; found {:?}", written.id));
        }
        let all = match &written.number {
            Some(number) => std::slice::from_ref(number),
            None => self.steps,
        };
        // A default of no steps is for the arms that can do without.
        let all = all.iter().filter(|&&steps| written.number.is_some() || steps >= least);
        let arms: Vec<_> = all
            .map(|&steps| {
                if steps < least || steps > MAX_STEPS {
                    let instead = if least == 1 { "; without latent steps it is `prefix`" } else { "" };
                    let word = written.word;
                    return Err(format!("{least} to {MAX_STEPS} steps for {word}, found {steps}{instead}"));
                }
                Ok(Arm::Cache(Cache { steps, kind }))
            })
            .collect::<Result<_, _>>()?;
        if arms.is_empty() {
            return Err(format!("latent_steps above 0 for {}, which takes some; found none", written.word));
        }
        Ok(arms)
    }

    fn models(&self, written: &Written<'_>) -> Result<Vec<Other>, String> {
        let only = self.others.len() == 1;
        let names: Vec<_> = match written.other {
            Some(name) if self.others.contains(&name) => vec![name],
            Some(name) => {
                return Err(format!(
                    "one of the models that do not answer, found {name:?} in {:?}",
                    written.id
                ));
            }
            None if self.others.is_empty() => {
                return Err(format!("a second model for {:?}", written.id));
            }
            None => self.others.to_vec(),
        };
        Ok(names.into_iter().map(|name| Other { name: name.to_owned(), only }).collect())
    }

    fn rosettas(&self, written: &Written<'_>, kind: RosettaKind) -> Result<Vec<Arm>, String> {
        let all = match &written.number {
            Some(number) => std::slice::from_ref(number),
            None => self.vectors,
        };
        let models = self.models(written)?;
        let pairs = models.iter().flat_map(|other| all.iter().map(move |&vectors| (other, vectors)));
        pairs
            .map(|(other, vectors)| {
                if vectors == 0 || vectors > MAX_VECTORS {
                    return Err(format!("1 to {MAX_VECTORS} vectors, found {:?}", written.id));
                }
                Ok(Arm::Rosetta(Rosetta { vectors, kind, other: other.clone() }))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(others: &[&str], written: &str) -> Result<Vec<String>, String> {
        let defaults = Defaults { steps: &[0, 5, 10], vectors: &[1, 4], others };
        Ok(defaults.expand(written)?.iter().map(Arm::id).collect())
    }

    #[test]
    fn what_is_left_open_is_every_default() {
        assert_eq!(ids(&[], "latent"), Ok(vec!["latent@5".into(), "latent@10".into()]));
        assert_eq!(ids(&[], "zero").unwrap(), ["zero@0", "zero@5", "zero@10"]);
        assert_eq!(ids(&["b"], "rosetta").unwrap(), ["rosetta@1", "rosetta@4"]);
        assert_eq!(ids(&["b", "c"], "rosetta@2").unwrap(), ["rosetta@2:b", "rosetta@2:c"]);
        assert_eq!(ids(&["b", "c"], "text-cross:c").unwrap(), ["text-cross:c"]);
    }

    #[test]
    fn every_id_is_read_as_it_is_written() {
        for others in [&["b"][..], &["b", "c"]] {
            let all = ids(others, "all").unwrap();
            for id in &all {
                assert_eq!(&ids(others, id).unwrap(), std::slice::from_ref(id));
            }
            let mut unique = all.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), all.len());
        }
        // Without a second model, nothing across models.
        assert!(ids(&[], "all").unwrap().iter().all(|id| !id.contains("rosetta") && !id.contains("cross")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for id in [
            "latent@0",
            "latent@x",
            "latent-only@0",
            "direct@1",
            "prefix@2",
            "text:b",
            "rosetta@0",
            "rosetta@1:z",
            "text-cross@1",
            "noise@1:b",
            "",
            "@",
            "latent@99999999999",
            "latent@200000",
        ] {
            assert!(ids(&["b"], id).is_err(), "{id}");
        }
        assert!(ids(&[], "rosetta").is_err());
        let with =
            |steps: &[u32], id: &str| Defaults { steps, vectors: &[1], others: &[] }.expand(id).is_ok();
        assert!(!with(&[0], "latent") && !with(&[5, 200_000], "latent") && with(&[0], "zero"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(id in ".{0,20}") {
            let _ = ids(&["b"], &id);
        }
    }
}
