//! Messages out of a byte stream that arrives in pieces of any size.

use super::{
    decoder::Decoder,
    header::{HEADER_LEN, Header},
    message::Message,
};
use crate::error::{Error, ErrorClass, Result};

/// Takes pieces of a stream and hands over whole messages.
///
/// It holds at most one message, never more than `max_message` bytes. The header is judged as soon as its twelve bytes
/// are there, before any of the body is kept (AVP-HDR-025, AVP-SEC-010), and memory grows with the bytes that really
/// came, not with the length that was announced.
///
/// ```
/// use avp::wire::{Decoder, Encoder, Metadata, StreamDecoder};
///
/// let stream = [Encoder::new().encode(&Metadata::default(), b"one")?, Encoder::new().encode(&Metadata::default(), b"two")?].concat();
/// let mut decoder = StreamDecoder::new(Decoder::new());
/// let mut payloads = Vec::new();
/// for mut piece in stream.chunks(5) {
///     while let Some(message) = decoder.push(&mut piece)? {
///         payloads.push(message.payload.into_owned());
///     }
/// }
/// decoder.finish()?;
/// assert_eq!(payloads, [b"one", b"two"]);
/// # Ok::<(), avp::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StreamDecoder {
    decoder: Decoder,
    buffer: Vec<u8>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// The buffer holds the start of a message, of which this many bytes are known to be needed.
    Filling { needed: usize },
    /// The buffer holds a message that was handed over.
    Done,
    /// A stream can't be resumed behind an error: nothing tells where the next message starts.
    Failed(Error),
}

impl StreamDecoder {
    /// A stream at its start. The decoder's limits hold for each message.
    pub fn new(decoder: Decoder) -> Self {
        Self { decoder, buffer: Vec::new(), state: State::Filling { needed: HEADER_LEN } }
    }

    /// Takes bytes from the front of `input`, at most up to the end of the current message. Returns the message when it
    /// is complete: call again while there is one, the rest of `input` may hold the next.
    ///
    /// # Errors
    /// See [`Decoder::decode`]; `limit_exceeded` comes from the header alone. The same error is returned again by every
    /// further call.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<Message<'_>>> {
        match &self.state {
            State::Failed(error) => {
                self.buffer = Vec::new();
                return Err(error.clone());
            }
            State::Done => {
                self.buffer.clear();
                self.state = State::Filling { needed: HEADER_LEN };
            }
            State::Filling { .. } => {}
        }
        let whole = self.fill(input);
        let result = match whole {
            Ok(false) => return Ok(None),
            Ok(true) => self.decoder.decode(&self.buffer),
            Err(error) => Err(error),
        };
        self.state = match &result {
            Ok(_) => State::Done,
            Err(error) => State::Failed(error.clone()),
        };
        result.map(Some)
    }

    /// Bytes that are held of a message that is not yet complete.
    pub fn pending(&self) -> usize {
        match self.state {
            State::Filling { .. } => self.buffer.len(),
            State::Done | State::Failed(_) => 0,
        }
    }

    /// Bytes that the current message needs at least, beyond those that are held.
    pub fn missing(&self) -> usize {
        match self.state {
            State::Filling { needed } => needed - self.buffer.len(),
            State::Done | State::Failed(_) => HEADER_LEN,
        }
    }

    /// Says that the stream is over.
    ///
    /// # Errors
    /// `decode` when it ends inside a message; an earlier error again.
    pub fn finish(&self) -> Result<()> {
        match &self.state {
            State::Failed(error) => Err(error.clone()),
            State::Filling { needed } if !self.buffer.is_empty() => {
                let (expected, found) = (format!("{needed} bytes"), format!("{} bytes", self.buffer.len()));
                Err(Error::new(ErrorClass::Decode, "message", expected, found).at(self.buffer.len()))
            }
            State::Filling { .. } | State::Done => Ok(()),
        }
    }

    /// Moves input into the buffer; true when the message is complete.
    fn fill(&mut self, input: &mut &[u8]) -> Result<bool> {
        loop {
            let State::Filling { needed } = self.state else { return Ok(false) };
            let (take, rest) = input.split_at(input.len().min(needed - self.buffer.len()));
            // `Vec` doubles when it grows; what is needed in all is the better bound.
            let room = (2 * self.buffer.len()).max(self.buffer.len() + take.len()).min(needed);
            if self.buffer.capacity() < self.buffer.len() + take.len() {
                self.buffer.reserve_exact(room - self.buffer.len());
            }
            self.buffer.extend_from_slice(take);
            *input = rest;
            if self.buffer.len() < needed {
                return Ok(false);
            }
            if needed > HEADER_LEN {
                return Ok(true);
            }
            let header = Header::parse(&self.buffer)?;
            self.decoder.check_header(&header)?;
            let needed = usize::try_from(header.message_len()).map_err(|_| {
                let found = format!("{} bytes", header.message_len());
                Error::new(ErrorClass::LimitExceeded, "message", "a size that fits in memory", found).at(4)
            })?;
            if needed == HEADER_LEN {
                return Ok(true);
            }
            self.state = State::Filling { needed };
        }
    }
}
