//! How many cases are generated: so many an area, shared out over the properties that speak for it.

use std::collections::BTreeMap;

use super::draft::Property;
use crate::requirement::area_of;

/// Generated cases an area, in both dialects together, where nothing else is said.
pub const CASES_PER_AREA: u32 = 2000;

/// Areas in which fewer are generated than elsewhere, and why.
pub const FEWER: &[(&str, &str)] = &[(
    "HTTP",
    "each case starts a server, connects and asks; so there are an eighth as many cases, each of eight requests",
)];

/// How many of an area's cases fall to a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// So many parts of the cases of each area that its requirements are of, beside the other properties there. Every
    /// case counts for these areas.
    Weight(u32),
    /// So many in each dialect for a thousand cases an area. Its cases count for the areas that come out of them.
    Permille(u32),
    /// So many in each dialect, however many an area has, and why.
    Fixed(u32, &'static str),
}

/// The reason of properties that ask models.
pub(super) const A_MODEL: &str =
    "a language model thinks and writes in every case, in the harness's oracle too";

/// The reason of properties that measure memory and time.
pub(super) const MEASURED: &str =
    "each case has the child for itself, and what it sends or waits for is huge";

/// Every property with the number of its cases in each dialect where it holds.
pub(super) fn counts<'a>(
    properties: impl Iterator<Item = &'a Property> + Clone,
    per_area: u32,
) -> Vec<(&'a Property, u32)> {
    // Of both dialects together.
    let mut weights: BTreeMap<&str, u64> = BTreeMap::new();
    for property in properties.clone() {
        if let Share::Weight(weight) = property.share {
            for area in areas(property) {
                *weights.entry(area).or_default() += u64::from(weight) * property.specs.len() as u64;
            }
        }
    }
    let count = |property: &Property| match property.share {
        _ if per_area == 0 => 0,
        Share::Fixed(count, _) => count,
        Share::Permille(part) => portion(per_area, part, 1000),
        // An area is filled by what it needs most; where a property speaks for two, the other one gets more.
        Share::Weight(weight) => {
            let of = |area| portion(per_area, weight, weights.get(area).copied().unwrap_or(1));
            areas(property).into_iter().map(of).max().unwrap_or(0)
        }
    };
    properties.map(|property| (property, count(property))).collect()
}

/// So many of the whole, and one more rather than one too few: what is there with few cases is there with more.
fn portion(whole: u32, part: u32, of: u64) -> u32 {
    u32::try_from((u64::from(whole) * u64::from(part)).div_ceil(of.max(1))).unwrap_or(u32::MAX)
}

/// Codes of the areas that a property speaks for, each once.
fn areas(property: &Property) -> Vec<&'static str> {
    let mut areas: Vec<&str> = property.requirements.iter().map(|id| area_of(id)).collect();
    areas.sort_unstable();
    areas.dedup();
    areas
}
