//! Everything that can be asked: golden vectors and generated cases.

use std::path::PathBuf;

use avp_conformance::{
    case::{Case, Source, Spec},
    check,
    gate::Exit,
    oracle, vector,
};
use sha2::{Digest as _, Sha256};

use super::Ended;

/// Most generated cases an area: all cases are held in memory, a few kilobytes each, in every one of 22 areas.
pub(super) const MOST_PER_AREA: i64 = 100_000;

/// Seed where none is given: a run is the same every time, on every machine.
pub(super) const DEFAULT_SEED: u64 = 1;

/// The golden vectors. The oracles are held against known values first: a suite that errs must not judge.
pub(super) fn vectors() -> anyhow::Result<Vec<Case>> {
    oracle::self_test().map_err(|error| Ended::new(Exit::Integrity, error))?;
    vector::cases().map_err(|error| {
        Ended::new(Exit::Integrity, format!("the suite's own recipes are broken: {error}")).into()
    })
}

/// The golden vectors and the cases that are generated from `seed`, so many an area. A generated case that is `named`
/// is among them, whatever its index.
pub(super) fn cases(seed: u64, per_area: u32, named: &[String]) -> anyhow::Result<Vec<Case>> {
    let mut cases = vectors()?;
    for spec in [Spec::V02, Spec::V04] {
        let from = cases.len();
        cases.extend(check::generated(spec, seed, per_area));
        for name in named {
            let (id, of) = name.split_once('@').unwrap_or((name, spec.as_str()));
            let is_new = of == spec.as_str() && !cases[from..].iter().any(|case| case.id == id);
            cases.extend(is_new.then(|| check::generated_case(id, spec, seed)).flatten());
        }
    }
    Ok(cases)
}

/// Names a set of vectors: whenever an input changes, its revision does.
pub(super) fn digest(cases: &[Case]) -> String {
    let mut digest = Sha256::new();
    for case in cases {
        if let Source::Vector { rev } = case.source {
            digest.update(format!("{} {rev}\n", case.key()));
        }
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A folder of the project: in the working folder or above it, or where this binary was built.
pub(super) fn project_folder(path: &str) -> Option<PathBuf> {
    let working = std::env::current_dir().ok()?;
    let above = working.ancestors().map(|folder| folder.join(path)).find(|folder| folder.is_dir());
    above.or_else(|| {
        let built = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        Some(built.parent()?.join(path)).filter(|folder| folder.is_dir())
    })
}
