//! A vocabulary: which token has which id.

use super::json::{Json, JsonLimits, Text};
use crate::error::{Error, ErrorClass, Result};

/// The full map of tokens to ids, added and special tokens included (AVP-HASH-016). Sorted by token in code point
/// order, each token once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary<'a> {
    entries: Vec<(Text<'a>, u64)>,
}

/// What two vocabularies share, by token string whatever the ids (AVP-PRJ-023, AVP-PRJ-024).
#[derive(Clone, Debug, PartialEq)]
pub struct Overlap {
    /// The shared tokens' ids in the first vocabulary, in code point order of the tokens.
    pub source_ids: Vec<u64>,
    /// Their ids in the second one, in the same order.
    pub target_ids: Vec<u64>,
    /// Shared tokens over the smaller vocabulary's size; 0 when one is empty.
    pub ratio: f64,
}

impl<'a> Vocabulary<'a> {
    /// Of pairs in any order; of equal tokens the last one counts.
    pub fn new(pairs: impl IntoIterator<Item = (Text<'a>, u64)>) -> Self {
        let mut entries: Vec<_> = pairs.into_iter().collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        Self { entries }
    }

    /// Of an object that maps tokens to ids.
    ///
    /// # Errors
    /// `configuration` when it is no object or an id is no unsigned integer.
    pub fn from_json(value: Json<'a>) -> Result<Self> {
        let Json::Object(members) = value else {
            return Err(refused("an object of tokens and ids", value.kind()));
        };
        let entries =
            members.into_iter().map(|member| Ok((member.key, id(&member.value)?))).collect::<Result<_>>()?;
        // Members come sorted and without repetition.
        Ok(Self { entries })
    }

    /// Of the text of an object that maps tokens to ids. Tokens may hold lone surrogates, as `\udXXX` (AVP-HASH-019).
    ///
    /// # Errors
    /// `decode` or `limit_exceeded` for the text, `configuration` for what it says.
    pub fn from_text(text: &'a str) -> Result<Self> {
        Self::from_json(Json::parse(text, &JsonLimits::TOKENIZER)?)
    }

    /// Of the text of a `tokenizer.json`: the model's vocabulary and the added tokens. `None` when the model has no
    /// vocabulary. A token that is in both keeps the model's id.
    ///
    /// # Errors
    /// `decode` or `limit_exceeded` for the text, `configuration` for what it says.
    pub fn from_tokenizer_text(text: &'a str) -> Result<Option<Self>> {
        let Json::Object(members) = Json::parse(text, &JsonLimits::TOKENIZER)? else {
            return Err(refused("a tokenizer description", "no object"));
        };
        let (mut base, mut added) = (None, Vec::new());
        for member in members {
            match (member.key.as_str(), member.value) {
                (Some("model"), Json::Object(model)) => {
                    base = model.into_iter().find(|member| member.key.as_str() == Some("vocab"));
                }
                (Some("added_tokens"), Json::Array(tokens)) => added = tokens,
                _ => {}
            }
        }
        let mut pairs = Vec::new();
        for token in added {
            let content = match token.get("content") {
                Some(Json::Text(content)) => content.clone(),
                _ => return Err(refused("a content in every added token", token.kind())),
            };
            pairs.push((content, id(token.get("id").unwrap_or(&Json::Null))?));
        }
        match base.map(|member| member.value) {
            None | Some(Json::Null) => return Ok(None),
            Some(Json::Object(members)) => {
                for member in members {
                    let id = id(&member.value)?;
                    pairs.push((member.key, id));
                }
            }
            // Unigram models list [token, score]; the place is the id.
            Some(Json::Array(items)) => {
                for (place, item) in items.into_iter().enumerate() {
                    match item {
                        Json::Array(entry) => match entry.into_iter().next() {
                            Some(Json::Text(token)) => pairs.push((token, place as u64)),
                            _ => return Err(refused("[token, score] pairs", "no token")),
                        },
                        other => return Err(refused("[token, score] pairs", other.kind())),
                    }
                }
            }
            Some(other) => return Err(refused("a vocabulary", other.kind())),
        }
        Ok(Some(Self::new(pairs)))
    }

    /// The same with memory of its own.
    pub fn into_owned(self) -> Vocabulary<'static> {
        let entries = self.entries.into_iter().map(|(token, id)| (token.into_owned(), id)).collect();
        Vocabulary { entries }
    }

    /// Tokens and ids, in code point order of the tokens.
    pub fn entries(&self) -> &[(Text<'a>, u64)] {
        &self.entries
    }

    /// How many tokens.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What this vocabulary shares with `target`.
    pub fn overlap(&self, target: &Vocabulary<'_>) -> Overlap {
        let (mut source_ids, mut target_ids) = (Vec::new(), Vec::new());
        self.for_each_shared(target, |source, target| {
            source_ids.push(source);
            target_ids.push(target);
        });
        let smaller = self.len().min(target.len());
        let ratio = if smaller == 0 { 0.0 } else { source_ids.len() as f64 / smaller as f64 };
        Overlap { source_ids, target_ids, ratio }
    }

    /// How many token strings this vocabulary shares with `other` (AVP-HS-036).
    pub fn count_shared(&self, other: &Vocabulary<'_>) -> usize {
        let mut count = 0;
        self.for_each_shared(other, |_, _| count += 1);
        count
    }

    fn for_each_shared(&self, other: &Vocabulary<'_>, mut found: impl FnMut(u64, u64)) {
        let (mut ours, mut theirs) = (self.entries.iter().peekable(), other.entries.iter().peekable());
        while let (Some((our_token, our_id)), Some((their_token, their_id))) = (ours.peek(), theirs.peek()) {
            match our_token.as_bytes().cmp(their_token.as_bytes()) {
                std::cmp::Ordering::Less => {
                    ours.next();
                }
                std::cmp::Ordering::Greater => {
                    theirs.next();
                }
                std::cmp::Ordering::Equal => {
                    found(*our_id, *their_id);
                    ours.next();
                    theirs.next();
                }
            }
        }
    }
}

fn id(value: &Json<'_>) -> Result<u64> {
    match value {
        Json::Int(digits) => {
            digits.parse().map_err(|_| refused("ids of at most 64 bits, not negative", digits))
        }
        other => Err(refused("an integer id for every token", other.kind())),
    }
}

fn refused(expected: &str, found: &str) -> Error {
    Error::new(ErrorClass::Configuration, "vocabulary", expected, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_by_token_string() {
        let a = Vocabulary::from_text(r#"{"c":2,"a":0,"b":1}"#).unwrap();
        let b = Vocabulary::from_text(r#"{"b":8,"c":7,"x":0,"y":1}"#).unwrap();
        let overlap = a.overlap(&b);
        assert_eq!((overlap.source_ids, overlap.target_ids), (vec![1, 2], vec![8, 7]));
        assert!((overlap.ratio - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(b.count_shared(&a), 2);
        assert_eq!(a.overlap(&Vocabulary::default()).ratio, 0.0);
    }

    #[test]
    fn tokenizer_files_of_three_kinds() {
        let added = r#""added_tokens":[{"id":2,"content":"<s>"},{"id":9,"content":"a"}]"#;
        let expected = Vocabulary::from_text(r#"{"a":0,"b":1,"<s>":2}"#).unwrap();
        let bpe = format!(r#"{{{added},"model":{{"type":"BPE","vocab":{{"a":0,"b":1}},"merges":["a b"]}}}}"#);
        assert_eq!(Vocabulary::from_tokenizer_text(&bpe).unwrap().unwrap(), expected);
        let unigram = format!(r#"{{"model":{{"vocab":[["a",-1.5],["b",0]]}},{added}}}"#);
        assert_eq!(Vocabulary::from_tokenizer_text(&unigram).unwrap().unwrap(), expected);
        assert_eq!(Vocabulary::from_tokenizer_text(r#"{"model":{}}"#).unwrap(), None);
    }

    #[test]
    fn what_is_no_vocabulary_is_refused() {
        for text in ["[]", r#"{"a":1.0}"#, r#"{"a":-1}"#, r#"{"a":null}"#, r#"{"a":18446744073709551616}"#] {
            assert_eq!(Vocabulary::from_text(text).unwrap_err().class, ErrorClass::Configuration, "{text}");
        }
        for text in
            ["[]", r#"{"model":{"vocab":5}}"#, r#"{"model":{"vocab":[5]}}"#, r#"{"added_tokens":[5]}"#]
        {
            assert_eq!(
                Vocabulary::from_tokenizer_text(text).unwrap_err().class,
                ErrorClass::Configuration,
                "{text}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in r#"[\[\]{}":,0-9a-e ]{0,40}|\{"model":\{"vocab":[\[\]{}":,0-9ab]{0,20}\}\}"#) {
            let _ = Vocabulary::from_text(&text);
            let _ = Vocabulary::from_tokenizer_text(&text);
        }
    }
}
