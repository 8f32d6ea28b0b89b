//! Writers of hybrid payloads that are wrong on purpose.

use crate::{
    Mutant,
    frame::Frame,
    mutant,
    wire::{Wire, varint, varint_bytes},
};

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant!(
        "hybrid-types-exchanged",
        "numbers latent chunks 0 and text chunks 1",
        tell | asked,
        told | {
            chunks(asked, told, |chunks| {
                for chunk in chunks {
                    match chunk.strip_prefix(&[8, 1]) {
                        Some(rest) => *chunk = rest.to_vec(),
                        None => drop(chunk.splice(..0, [8, 1])),
                    }
                }
            });
        }
    ),
    mutant!(
        "hybrid-text-first",
        "writes the chunks from the last to the first",
        tell | asked,
        told | {
            chunks(asked, told, |chunks| chunks.reverse());
        }
    ),
    mutant!(
        "hybrid-text-as-latin-1",
        "writes a byte for every character of a text",
        tell | asked,
        told | {
            chunks(asked, told, |chunks| {
                for chunk in chunks.iter_mut().filter(|chunk| chunk.first() == Some(&0x12)) {
                    let mut rest = &chunk[1..];
                    let Some(length) = varint(&mut rest) else { continue };
                    let (text, confidence) = rest.split_at(rest.len().min(length as usize));
                    let text: Vec<u8> = String::from_utf8_lossy(text)
                        .chars()
                        .map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?'))
                        .collect();
                    *chunk = [&[0x12], &varint_bytes(text.len() as u64)[..], &text, confidence].concat();
                }
            });
        }
    ),
];

/// Changes the chunks of a hybrid message that was written, each without its tag and length.
fn chunks(asked: &Frame, told: &mut Frame, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    if asked.op() != "encode_hybrid" || !told.is_ok() {
        return;
    }
    let Some(message) = told.part_mut("message") else { return };
    let Some(mut wire) = Wire::parse(message) else { return };
    let section = Wire { metadata: wire.section.clone(), ..wire.clone() };
    let mut inner: Vec<Vec<u8>> = Vec::new();
    for (_, _, bytes) in section.fields().unwrap_or_default() {
        let mut rest = &bytes[1..];
        let _length = varint(&mut rest);
        inner.push(rest.to_vec());
    }
    change(&mut inner);
    wire.section = inner
        .into_iter()
        .flat_map(|chunk| [&[0x0a], &varint_bytes(chunk.len() as u64)[..], &chunk].concat())
        .collect();
    *message = wire.bytes();
}
