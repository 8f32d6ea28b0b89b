//! YAML → claims, strictly: no key that is not known, none twice, no id twice, nothing left that its metric needs.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Claim, Metric};

/// Largest file. The one that comes with the program has some 20 kB.
const MAX_BYTES: usize = 1 << 20;
/// Items of a published figure at most; the largest sets of questions have some ten thousand.
const MAX_ITEMS: u64 = 1_000_000;
/// Largest speed-up that is taken for one.
const MAX_SPEED_UP: f64 = 1e6;

/// What is wrong with a file of claims.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No YAML, or another form.
    #[error("claims: {0}")]
    Form(String),
    /// A claim that is none.
    #[error("claim {id}: {what}")]
    Claim {
        /// Which.
        id: String,
        /// What was expected, and what was found.
        what: String,
    },
}

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sources: Legend,
    models: Legend,
    claims: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    source: Vec<String>,
    says: Option<String>,
    task: Option<String>,
    model: Option<String>,
    from: Option<String>,
    arm: Option<String>,
    #[serde(default)]
    against: Vec<String>,
    n: Option<u64>,
    metric: Metric,
    value: Option<f64>,
    range: Option<[f64; 2]>,
}

/// Short names and what they stand for.
struct Legend(Vec<(String, String)>);

impl Legend {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl<'de> Deserialize<'de> for Legend {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Legend;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("short names and what they stand for")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Legend, A::Error> {
                let mut legend = Legend(Vec::new());
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if legend.get(&name).is_some() {
                        return Err(serde::de::Error::custom(format!("{name:?} twice")));
                    }
                    legend.0.push((name, value));
                }
                Ok(legend)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// Reads claims.
///
/// # Errors
/// [`Error`] for a key that is not known or stands twice, an id that stands twice, a source or model without an entry in its
/// legend, and a claim that lacks what its metric needs or has what it cannot have.
pub fn read(text: &str) -> Result<Vec<Claim>> {
    if text.len() > MAX_BYTES {
        return Err(Error::Form(format!("at most {MAX_BYTES} bytes, found {}", text.len())));
    }
    let file: File = serde_yaml::from_str(text).map_err(|error| Error::Form(error.to_string()))?;
    let mut ids = BTreeSet::new();
    let mut claims = Vec::with_capacity(file.claims.len());
    for entry in file.claims {
        let id = entry.id.clone();
        let failed = |what: String| Error::Claim { id: id.clone(), what };
        if !ids.insert(id.clone()) {
            return Err(failed("an id of its own, found it twice".to_owned()));
        }
        claims.push(claim(entry, &file.sources, &file.models).map_err(failed)?);
    }
    Ok(claims)
}

fn claim(entry: Entry, sources: &Legend, models: &Legend) -> std::result::Result<Claim, String> {
    let plain = |text: &str, more: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || more.contains(c))
    };
    if !plain(&entry.id, ".") {
        return Err("an id of lower-case letters, digits, - and .".to_owned());
    }
    for id in entry.arm.iter().chain(&entry.against) {
        if !plain(id, "@*") {
            return Err(format!("an arm's id, found {id:?}"));
        }
    }
    if entry.task.as_deref().is_some_and(|task| !plain(task, "")) {
        return Err("a task's name of lower-case letters, digits and -".to_owned());
    }
    if entry.source.is_empty() {
        return Err("at least one source".to_owned());
    }
    let known = |legend: &Legend, name: &String, what: &str| {
        legend.get(name).map(str::to_owned).ok_or_else(|| format!("{what} of the legend, found {name:?}"))
    };
    let names = entry.source.iter().map(|name| known(sources, name, "a source"));
    let sources = names.collect::<std::result::Result<Vec<_>, _>>()?;
    let model = |name: Option<String>| name.map(|name| known(models, &name, "a model")).transpose();
    if entry.n.is_some_and(|n| n == 0 || n > MAX_ITEMS) {
        return Err(format!("1 to {MAX_ITEMS} items"));
    }
    let published = match (entry.value, entry.range) {
        (Some(_), Some(_)) => return Err("a value or a range, found both".to_owned()),
        (Some(value), None) => Some([value, value]),
        (None, range) => range,
    };
    fits(entry.metric, published, entry.arm.is_some(), entry.against.len(), entry.says.is_some())?;
    Ok(Claim {
        id: entry.id,
        sources,
        says: entry.says,
        task: entry.task,
        model: model(entry.model)?,
        from: model(entry.from)?,
        arm: entry.arm,
        against: entry.against,
        n: entry.n,
        metric: entry.metric,
        published,
    })
}

/// Whether a metric has what it needs, and nothing else.
fn fits(
    metric: Metric,
    published: Option<[f64; 2]>,
    arm: bool,
    against: usize,
    says: bool,
) -> std::result::Result<(), String> {
    let (least, most) = match metric {
        Metric::Accuracy | Metric::F1 => (0.0, 1.0),
        Metric::Difference | Metric::TokenSaving => (-1.0, 1.0),
        Metric::SpeedUp => (f64::MIN_POSITIVE, MAX_SPEED_UP),
        Metric::Above | Metric::Equal | Metric::Other => (f64::NAN, f64::NAN),
    };
    match published {
        None if !least.is_nan() => return Err("a value or a range".to_owned()),
        Some(_) if least.is_nan() => return Err("neither value nor range".to_owned()),
        Some([low, high]) if !(least <= low && low <= high && high <= most) => {
            return Err(format!("a value from {least} to {most}, or a range within, found {low} to {high}"));
        }
        _ => {}
    }
    let compares = match metric {
        Metric::Accuracy | Metric::F1 => against == 0,
        Metric::Difference | Metric::TokenSaving | Metric::SpeedUp => against == 1,
        Metric::Above | Metric::Equal => against > 0,
        Metric::Other => true,
    };
    if !compares {
        return Err(format!("other arms as its metric needs them, found {against} in `against`"));
    }
    match (metric, arm, says) {
        (Metric::Other, _, false) => Err("`says`: what is claimed".to_owned()),
        (Metric::Other, _, true) | (_, true, _) => Ok(()),
        (_, false, _) => Err("an arm".to_owned()),
    }
}
