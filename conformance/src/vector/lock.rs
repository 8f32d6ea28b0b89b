//! `ids.lock`: every id that was ever issued, with the revision of its input.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::digest::Digest;

/// First lines of the file.
const HEAD: &str = "\
# Every vector id that was ever issued: id, revision, SHA-256 of its input, and whether it is still there.
# Written by `avp-conformance vectors generate`. An id is never used again; a changed input raises the revision.
";

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockEntry {
    /// Starts at 1; one more with every changed input.
    pub(crate) rev: u32,
    /// Of the requests: operations, arguments and parts.
    pub(crate) input: Digest,
    /// Whether there is still a recipe.
    pub(crate) live: bool,
}

/// All lines of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock(pub(crate) BTreeMap<String, LockEntry>);

/// A lock file that can't be read, or an id that must not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// A line of another form.
    #[error("ids.lock, line {0}: expected an id, a revision, a SHA-256 and `live` or `retired`")]
    Line(usize),
    /// An id out of order, or twice.
    #[error("ids.lock, line {0}: ids are sorted, and each stands there once")]
    Order(usize),
    /// A retired id with a recipe.
    #[error("the id `{0}` is retired and must not be used again; choose another one")]
    Reused(String),
}

impl Lock {
    /// Reads the file.
    ///
    /// # Errors
    /// [`LockError`] with the number of the first line that is not as it must be.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let mut entries = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let (id, entry) = parse_line(line).ok_or(LockError::Line(index + 1))?;
            if entries.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return Err(LockError::Order(index + 1));
            }
            entries.insert(id, entry);
        }
        Ok(Self(entries))
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (id, entry) in &self.0 {
            let state = if entry.live { "live" } else { "retired" };
            // Writing into a String can't fail.
            _ = writeln!(text, "{id} {} {} {state}", entry.rev, entry.input);
        }
        text
    }

    /// Revision of an id; 1 for one that was never issued.
    pub fn rev(&self, id: &str) -> u32 {
        self.0.get(id).map_or(1, |entry| entry.rev)
    }

    /// The lock after these inputs: new ids are added, changed inputs raise the revision, missing ids retire.
    ///
    /// # Errors
    /// [`LockError::Reused`] for an id that has retired before.
    pub(crate) fn advanced(&self, inputs: &BTreeMap<String, Digest>) -> Result<Self, LockError> {
        let mut next = self.clone();
        for (id, entry) in &mut next.0 {
            entry.live &= inputs.contains_key(id);
        }
        for (id, input) in inputs {
            let fresh = LockEntry { rev: 1, input: *input, live: true };
            let entry = match self.0.get(id) {
                None => fresh,
                Some(old) if !old.live => return Err(LockError::Reused(id.clone())),
                Some(old) if old.input == *input => continue,
                Some(old) => LockEntry { rev: old.rev + 1, ..fresh },
            };
            next.0.insert(id.clone(), entry);
        }
        Ok(next)
    }
}

fn parse_line(line: &str) -> Option<(String, LockEntry)> {
    let mut words = line.split(' ');
    let id = words.next().filter(|id| !id.is_empty())?.to_owned();
    let rev = words.next()?.parse().ok().filter(|rev| *rev > 0)?;
    let input = Digest::parse(words.next()?)?;
    let live = match words.next()? {
        "live" => true,
        "retired" => false,
        _ => return None,
    };
    words.next().is_none().then_some((id, LockEntry { rev, input, live }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(list: &[(&str, &str)]) -> BTreeMap<String, Digest> {
        list.iter().map(|(id, input)| ((*id).to_owned(), Digest::of(input.as_bytes()))).collect()
    }

    #[test]
    fn revisions_rise_and_ids_retire() {
        let first = Lock::default().advanced(&inputs(&[("a/x", "1"), ("a/y", "1")])).unwrap();
        let second = first.advanced(&inputs(&[("a/x", "2"), ("a/z", "1")])).unwrap();
        assert_eq!((second.rev("a/x"), second.rev("a/z"), second.rev("a/new")), (2, 1, 1));
        assert!(!second.0["a/y"].live);
        assert_eq!(second.advanced(&inputs(&[("a/x", "2"), ("a/z", "1")])).unwrap(), second);
        assert_eq!(second.advanced(&inputs(&[("a/y", "1")])), Err(LockError::Reused("a/y".to_owned())));
        assert_eq!(Lock::parse(&second.to_text()).unwrap(), second);
    }

    #[test]
    fn lines_of_another_form_are_refused() {
        let digest = Digest::of(b"");
        for line in [
            "a/x".to_owned(),
            format!("a/x 0 {digest} live"),
            format!("a/x 1 {digest} dead"),
            format!("a/x 1 {digest} live more"),
            "a/x 1 00 live".to_owned(),
        ] {
            assert_eq!(Lock::parse(&line), Err(LockError::Line(1)), "{line}");
        }
        let twice = format!("# head\na/x 1 {digest} live\na/x 1 {digest} live\n");
        assert_eq!(Lock::parse(&twice), Err(LockError::Order(3)));
    }
}
