//! Text of token ids that come one by one.

use super::tokenizer::Tokenizer;
use crate::error::Result;

/// Most ids whose text is held back. A character takes up to four, one for each of its bytes; more than that are bytes
/// that make no text.
const MAX_PENDING: usize = 16;

/// Gives text as soon as it stands firm: never half of a character.
///
/// What it gives, put together, is what decoding all ids at once gives. Bytes that are no UTF-8 are the exception: some
/// decoders write a whole run of bytes in another way when one of them is wrong, and a part of that run may have been
/// given out already.
#[derive(Clone, Debug)]
pub struct DecodeStream {
    tokenizer: Tokenizer,
    skip_special: bool,
    /// Ids whose text has been given, as far as the text of the next ones depends on them, and those held back.
    ids: Vec<u32>,
    /// How many of them have been given.
    given: usize,
    /// Their text.
    text: String,
}

impl DecodeStream {
    pub(crate) fn new(tokenizer: Tokenizer, skip_special: bool) -> Self {
        Self { tokenizer, skip_special, ids: Vec::new(), given: 0, text: String::new() }
    }

    /// The text that this id brings, if it brings any by now.
    ///
    /// # Errors
    /// None in practice; those of [`Tokenizer::decode`].
    pub fn push(&mut self, id: u32) -> Result<Option<String>> {
        if self.tokenizer.token(id).is_none() || self.skip_special && self.tokenizer.is_special(id) {
            return Ok(None);
        }
        self.ids.push(id);
        let all = self.tokenizer.decode(&self.ids, self.skip_special)?;
        // A replacement character at the end may be the begin of a character whose other bytes are still to come.
        let pending = self.ids.len() - self.given;
        if all.ends_with(char::REPLACEMENT_CHARACTER) && pending < MAX_PENDING {
            return Ok(None);
        }
        self.give(&all)
    }

    /// What has been held back; the stream starts anew.
    ///
    /// # Errors
    /// As for [`Self::push`].
    pub fn finish(&mut self) -> Result<Option<String>> {
        let all = self.tokenizer.decode(&self.ids, self.skip_special)?;
        let rest = self.give(&all)?;
        (self.given, self.text) = (0, String::new());
        self.ids.clear();
        Ok(rest)
    }

    fn give(&mut self, all: &str) -> Result<Option<String>> {
        let pending = &self.ids[self.given..];
        let new = match all.strip_prefix(&*self.text) {
            Some(new) => new.to_owned(),
            // The text before has become another one: see above.
            None => self.tokenizer.decode(pending, self.skip_special)?,
        };
        if pending.len() < MAX_PENDING && new.is_empty() {
            return Ok(None);
        }
        self.ids.drain(..self.given);
        self.given = self.ids.len();
        self.text = self.tokenizer.decode(&self.ids, self.skip_special)?;
        Ok(Some(new).filter(|new| !new.is_empty()))
    }
}
