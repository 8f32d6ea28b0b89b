//! Names of projection methods.

use crate::error::{Error, ErrorClass, Result};
use crate::wire::Dialect;

/// How hidden states of one model become inputs of another (AVP-ENUM-010). The name stands in map files; it is never a
/// number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProjectionMethod {
    /// Through the distribution over the whole vocabulary.
    VocabMediated,
    /// Through the distribution over the shared tokens.
    VocabOverlap,
    /// A learned linear map. 0.2 only; read, never written.
    Ridge,
    /// A learned orthogonal map. 0.2 only; read, never written.
    Procrustes,
}

impl ProjectionMethod {
    /// The name in map files, e.g. `vocab_mediated`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VocabMediated => "vocab_mediated",
            Self::VocabOverlap => "vocab_overlap",
            Self::Ridge => "ridge",
            Self::Procrustes => "procrustes",
        }
    }

    /// The method with that name in a dialect.
    ///
    /// # Errors
    /// `configuration` for a name that the dialect does not have.
    pub fn from_name(name: &str, dialect: Dialect) -> Result<Self> {
        let current = [Self::VocabMediated, Self::VocabOverlap];
        let legacy = [Self::Ridge, Self::Procrustes];
        let legacy = legacy.into_iter().filter(|_| dialect == Dialect::V02);
        current.into_iter().chain(legacy).find(|method| method.as_str() == name).ok_or_else(|| {
            let expected = format!("a projection method of dialect {dialect}");
            Error::new(ErrorClass::Configuration, "map.method", expected, crate::error::excerpt(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_names_are_of_dialect_0_2() {
        for name in ["vocab_mediated", "vocab_overlap", "ridge", "procrustes"] {
            assert_eq!(ProjectionMethod::from_name(name, Dialect::V02).unwrap().as_str(), name);
        }
        for (name, dialect) in
            [("ridge", Dialect::V04), ("foo", Dialect::V02), ("VOCAB_OVERLAP", Dialect::V04)]
        {
            let error = ProjectionMethod::from_name(name, dialect).unwrap_err();
            assert_eq!(error.class, ErrorClass::Configuration, "{name}");
        }
    }
}
