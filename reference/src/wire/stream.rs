//! Messages out of a byte stream that arrives in pieces of any size.

use super::{
    checksum::crc32_gather,
    decoder::Decoder,
    header::{HEADER_LEN, Header},
    message::Message,
};
use crate::error::{Error, ErrorClass, Result};

/// Takes pieces of a stream and hands over whole messages.
///
/// It holds at most one message, never more than `max_message` bytes. The header is judged as soon as its twelve bytes
/// are there, before any of the body is kept (AVP-HDR-025, AVP-SEC-010), the metadata as soon as it is there, and memory
/// grows with the bytes that really came, not with the length that was announced.
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
    /// CRC-32 of what has come of the payload section: it is summed while it is copied, and so read once.
    sum: u32,
}

/// A whole message as it came, of which header and metadata have been judged.
#[derive(Debug)]
pub struct Gathered {
    /// All of it.
    pub bytes: Vec<u8>,
    /// CRC-32 of its payload section, as sent.
    pub sum: u32,
}

/// What of a message is complete once the buffer is filled.
#[derive(Clone, Copy, Debug)]
enum Part {
    Header,
    Metadata,
    All,
}

#[derive(Clone, Debug)]
enum State {
    /// The buffer holds the start of a message, of which this many bytes are known to be needed: the header, then the
    /// metadata, then all.
    Filling { needed: usize, part: Part },
    /// The buffer holds a message that was handed over.
    Done,
    /// A stream can't be resumed behind an error: nothing tells where the next message starts.
    Failed(Error),
}

const START: State = State::Filling { needed: HEADER_LEN, part: Part::Header };

impl StreamDecoder {
    /// A stream at its start. The decoder's limits hold for each message.
    pub fn new(decoder: Decoder) -> Self {
        Self { decoder, buffer: Vec::new(), state: START, sum: 0 }
    }

    /// Takes bytes from the front of `input`, at most up to the end of the current message. Returns the message when it
    /// is complete: call again while there is one, the rest of `input` may hold the next.
    ///
    /// # Errors
    /// See [`Decoder::decode`]; `limit_exceeded` comes from the header alone. The same error is returned again by every
    /// further call.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Option<Message<'_>>> {
        if !self.advance(input)? {
            return Ok(None);
        }
        let result = self.decoder.decode_summed(&self.buffer, self.sum);
        self.state = match &result {
            Ok(_) => State::Done,
            Err(error) => State::Failed(error.clone()),
        };
        result.map(Some)
    }

    /// Like [`Self::push`], but hands the bytes of a complete message over as they came, so that somebody else decodes
    /// them, or keeps them. Header and metadata have been judged.
    ///
    /// # Errors
    /// What header and metadata are refused for. The same error is returned again by every further call.
    pub fn gather(&mut self, input: &mut &[u8]) -> Result<Option<Gathered>> {
        if !self.advance(input)? {
            return Ok(None);
        }
        let gathered = Gathered { bytes: std::mem::take(&mut self.buffer), sum: self.sum };
        self.restart();
        Ok(Some(gathered))
    }

    fn restart(&mut self) {
        self.state = START;
        self.sum = 0;
    }

    /// Takes input up to the end of the message; whether it is complete.
    fn advance(&mut self, input: &mut &[u8]) -> Result<bool> {
        match &self.state {
            State::Failed(error) => {
                self.buffer = Vec::new();
                return Err(error.clone());
            }
            State::Done => {
                self.buffer.clear();
                self.restart();
            }
            State::Filling { .. } => {}
        }
        self.fill(input).inspect_err(|error| self.state = State::Failed(error.clone()))
    }

    /// Length of the current message, once its header is there and was judged.
    pub fn announced(&self) -> Option<usize> {
        let in_message = matches!(self.state, State::Filling { part: Part::Metadata | Part::All, .. });
        let header = Header::parse(&self.buffer).ok().filter(|_| in_message)?;
        usize::try_from(header.message_len()).ok()
    }

    /// Goes on in another buffer, into which what is held is copied; the old one comes back.
    pub fn move_to(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        buffer.clear();
        buffer.extend_from_slice(&self.buffer);
        std::mem::replace(&mut self.buffer, buffer)
    }

    /// Bytes of memory that are held.
    pub fn held(&self) -> usize {
        self.buffer.capacity()
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
            State::Filling { needed, .. } => needed - self.buffer.len(),
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
            State::Filling { needed, .. } if !self.buffer.is_empty() => {
                let (expected, found) = (format!("{needed} bytes"), format!("{} bytes", self.buffer.len()));
                Err(Error::new(ErrorClass::Decode, "message", expected, found).at(self.buffer.len()))
            }
            State::Filling { .. } | State::Done => Ok(()),
        }
    }

    /// Moves input into the buffer; true when the message is complete.
    fn fill(&mut self, input: &mut &[u8]) -> Result<bool> {
        loop {
            let State::Filling { needed, part } = self.state else { return Ok(false) };
            let (take, rest) = input.split_at(input.len().min(needed - self.buffer.len()));
            // `Vec` doubles when it grows; what is needed in all is the better bound.
            let room = (2 * self.buffer.len()).max(self.buffer.len() + take.len()).min(needed);
            if self.buffer.capacity() < self.buffer.len() + take.len() {
                self.buffer.reserve_exact(room - self.buffer.len());
            }
            match part {
                Part::Header | Part::Metadata => self.buffer.extend_from_slice(take),
                Part::All => self.sum = crc32_gather(self.sum, take, needed, &mut self.buffer),
            }
            *input = rest;
            if self.buffer.len() < needed {
                return Ok(false);
            }
            let (needed, part) = match part {
                Part::Header => {
                    let header = Header::parse(&self.buffer)?;
                    self.decoder.check_header(&header)?;
                    (header.sections()?.0.end, Part::Metadata)
                }
                Part::Metadata => {
                    let header = Header::parse(&self.buffer)?;
                    Decoder::check_metadata(&self.buffer[HEADER_LEN..])?;
                    let len = usize::try_from(header.message_len()).map_err(|_| {
                        let found = format!("{} bytes", header.message_len());
                        let expected = "a size that fits in memory";
                        Error::new(ErrorClass::LimitExceeded, "message", expected, found).at(4)
                    })?;
                    (len, Part::All)
                }
                Part::All => return Ok(true),
            };
            self.state = State::Filling { needed, part };
        }
    }
}
