//! What is wrong with a run file, in words that say what to do.

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong with a run file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct Error {
    /// Where.
    key: String,
    /// What was expected, and what was found.
    what: String,
}

/// Names that are further apart than this are no slip of the finger (0 is nothing in common, 1 the same).
const SIMILAR: f64 = 0.5;

impl Error {
    pub(super) fn new(key: &str, what: impl Into<String>) -> Self {
        Self { key: key.to_owned(), what: what.into() }
    }
}

/// The name that was probably meant.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = names.into_iter().map(|name| (strsim::normalized_damerau_levenshtein(wanted, name), name));
    scored.filter(|(score, _)| *score >= SIMILAR).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// The YAML library's error, with the nearest key where one is unknown. Its text is `unknown field X, expected one of …`,
/// names in backticks.
pub(super) fn of_yaml(error: &serde_yaml::Error) -> Error {
    let text = error.to_string();
    let line = error.location().map_or_else(String::new, |place| format!("line {}, ", place.line()));
    let unknown = text.split_once("unknown field `").or_else(|| text.split_once("unknown variant `"));
    let Some((before, rest)) = unknown else {
        return Error::new("run file", text);
    };
    let mut names = rest.split('`').step_by(2);
    let unknown = names.next().unwrap_or_default();
    let known: Vec<_> = names_of(rest).collect();
    let path = before.trim_end_matches([' ', ':']);
    let place = if path.is_empty() { unknown.to_owned() } else { format!("{path}.{unknown}") };
    let meant = match nearest(unknown, known.iter().copied()) {
        Some(name) => format!("did you mean {name}? "),
        None => String::new(),
    };
    Error::new(&format!("{line}{place}"), format!("unknown; {meant}known here: {}", known.join(", ")))
}

/// What stands in backticks behind the first one that closes.
fn names_of(rest: &str) -> impl Iterator<Item = &str> {
    rest.split('`').skip(2).step_by(2)
}
