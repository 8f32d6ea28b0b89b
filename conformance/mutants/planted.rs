//! Planted bugs for the test of generated cases: each shows only under a condition that nobody wrote a vector for. They are
//! in no list; `conformance/tests/planted.rs` runs them by name.

use std::sync::{Mutex, PoisonError};

use crate::{Mutant, frame::Frame, mutant};

/// From here on the last byte of a payload is wrong: what a counter of 16 bits makes of it.
const BORDER: usize = 65_536;

/// What the last compressed message held, in a buffer that nobody clears.
static HELD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "planted-border",
        "damages the last byte of payloads of 65,536 bytes and more when it reads them",
        tell | asked,
        told | {
            if let Some(payload) = payload(asked, told).filter(|payload| payload.len() >= BORDER)
                && let Some(last) = payload.last_mut()
            {
                *last ^= 1;
            }
        }
    ),
    mutant!(
        "planted-memory",
        "answers an empty payload with what the last compressed message held",
        tell | asked,
        told | {
            let compressed =
                asked.part("message").is_some_and(|message| message.get(3).is_some_and(|f| f & 1 == 1));
            if let Some(payload) = payload(asked, told) {
                let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
                if payload.is_empty() {
                    payload.clone_from(&held);
                } else if compressed {
                    held.clone_from(payload);
                }
            }
        }
    ),
];

/// The payload of a message that was read.
fn payload<'a>(asked: &Frame, told: &'a mut Frame) -> Option<&'a mut Vec<u8>> {
    let read = asked.op() == "decode" && told.is_ok();
    let part = told.parts.iter_mut().find(|part| read && part.name() == "payload");
    part.map(|part| &mut part.bytes)
}
