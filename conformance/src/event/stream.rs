//! Events to lines and back.

use std::io::{self, BufRead, Write};

use super::Event;

/// Longest line that is read back. The longest that is written is far below: the dumps of a case are capped.
const LINE_LIMIT: u64 = 64 * 1024 * 1024;

/// Writes events, each as one line that is flushed at once, so that a run that is cut off leaves whole lines and at
/// most one torn at the end.
pub struct EventWriter<W: Write> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> EventWriter<W> {
    /// Writes to `out`. No buffering is needed around it: a line is handed over in one piece.
    pub fn new(out: W) -> Self {
        Self { out, line: Vec::new() }
    }

    /// Writes one event.
    ///
    /// # Errors
    /// What the underlying writer says.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, event)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        self.out.flush()
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// Why a stream could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A complete line that is no event.
    #[error("line {line}: not an event: {source}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A line without end.
    #[error("line {line}: longer than {LINE_LIMIT} bytes")]
    TooLong {
        /// From 1.
        line: usize,
    },
}

/// Reads a stream back. A last line without a newline that does not parse was cut off and is left out.
///
/// # Errors
/// [`ReadError`] for the file itself, and for a complete line that is no event.
pub fn read_events(mut input: impl BufRead) -> Result<Vec<Event>, ReadError> {
    let mut events = Vec::new();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = io::Read::take(&mut input, LINE_LIMIT).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            break;
        }
        let whole = bytes.last() == Some(&b'\n');
        if !whole && read as u64 == LINE_LIMIT {
            return Err(ReadError::TooLong { line });
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(&bytes) {
            Ok(event) => events.push(event),
            Err(_) if !whole => break,
            Err(source) => return Err(ReadError::Line { line, source }),
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::super::{AdapterExit, Event, Probe, Summary};
    use super::*;

    fn stream() -> (Vec<Event>, Vec<u8>) {
        let events = vec![
            Event::Probe(Probe { name: "unknown-op".into(), passed: Some(true), note: String::new() }),
            Event::AdapterExit(AdapterExit {
                why: "end of run".into(),
                status: Some("exit status: 0".into()),
                stderr: String::new(),
            }),
            Event::Summary(Summary { complete: true, selected: 3, ..Summary::default() }),
        ];
        let mut writer = EventWriter::new(Vec::new());
        for event in &events {
            writer.write(event).unwrap();
        }
        (events, writer.into_inner())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (events, bytes) = stream();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 3);
        assert_eq!(read_events(&bytes[..]).unwrap(), events);
    }

    #[test]
    fn a_torn_last_line_is_left_out_at_every_length() {
        let (events, bytes) = stream();
        let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for cut in last..bytes.len() - 1 {
            assert_eq!(read_events(&bytes[..cut]).unwrap(), events[..2], "cut at {cut}");
        }
    }

    #[test]
    fn a_broken_line_in_the_middle_is_an_error() {
        let (_, mut bytes) = stream();
        bytes[0] = b'x';
        assert!(matches!(read_events(&bytes[..]), Err(ReadError::Line { line: 1, .. })));
    }

    #[test]
    fn events_of_a_later_suite_are_skipped_over() {
        let line = b"{\"event\":\"weather\",\"rain\":true}\n";
        assert_eq!(read_events(&line[..]).unwrap(), [Event::Unknown]);
    }
}
