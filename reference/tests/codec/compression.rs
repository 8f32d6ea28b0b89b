//! CMP: frames out, frames in, bombs refused.

use std::time::Instant;

use avp::{
    ErrorClass, Result,
    wire::{Compression, Decoder, Encoder, Flags, Limits, Metadata, PayloadType, decode},
};

use crate::{message, noise};

/// A zstd frame by hand, of raw or run-length blocks.
struct Frame {
    size: Option<u64>,
    blocks: Vec<(u8, Vec<u8>, u32)>,
}

const RAW: u8 = 0;
const RLE: u8 = 1;

impl Frame {
    fn raw(content: &[u8]) -> Self {
        Self { size: Some(content.len() as u64), blocks: vec![(RAW, content.to_vec(), content.len() as u32)] }
    }

    /// `count` blocks of 128 KiB zeros: four bytes each.
    fn zeros(count: u64) -> Self {
        Self { size: Some(count << 17), blocks: vec![(RLE, vec![0], 1 << 17); count as usize] }
    }

    fn size(self, size: Option<u64>) -> Self {
        Self { size, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0x28, 0xb5, 0x2f, 0xfd];
        // Eight bytes of size or none; a window of 128 KiB.
        out.extend_from_slice(if self.size.is_some() { &[0xc0, 0x38] } else { &[0x00, 0x38] });
        out.extend(self.size.iter().flat_map(|size| size.to_le_bytes()));
        for (i, (kind, stored, size)) in self.blocks.iter().enumerate() {
            let last = u32::from(i + 1 == self.blocks.len());
            out.extend_from_slice(&(size << 3 | u32::from(*kind) << 1 | last).to_le_bytes()[..3]);
            out.extend_from_slice(stored);
        }
        out
    }
}

fn compressed(section: &[u8]) -> Vec<u8> {
    message(Flags::COMPRESSED, b"\x5a\x04zstd", section)
}

fn read(section: &[u8]) -> Result<Vec<u8>> {
    Decoder::new().decode(&compressed(section)).map(|message| message.payload.into_owned())
}

fn class(section: &[u8]) -> ErrorClass {
    read(section).unwrap_err().class
}

/// AVP-CMP-001 to AVP-CMP-004, AVP-CMP-007, AVP-CMP-013, AVP-META-012.
#[test]
fn payloads_come_back_at_every_level() {
    for level in [Compression::Fast, Compression::Balanced, Compression::Max] {
        for len in [0, 1, 255, 256, 1 << 16, 300_000] {
            let payload: Vec<u8> = noise(len / 2).into_iter().chain(vec![7; len - len / 2]).collect();
            let encoder = Encoder::new().compression(level);
            let bytes = encoder.encode(&Metadata::default(), &payload).unwrap();
            let head = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize + 12;
            assert_eq!(bytes[head..head + 4], [0x28, 0xb5, 0x2f, 0xfd]);
            let message = Decoder::new().strict(true).decode(&bytes).unwrap();
            assert_eq!(*message.payload, payload);
            assert_eq!(message.metadata.compression.as_deref(), Some("zstd"));
            let mut appended = b"before".to_vec();
            encoder.encode_into(&Metadata::default(), &payload, &mut appended).unwrap();
            assert_eq!(appended[6..], bytes);
            assert_eq!(
                encoder.encode_vectored(&Metadata::default(), &payload).unwrap().pieces().concat(),
                bytes
            );
        }
    }
}

/// AVP-CMP-002, AVP-CMP-010, AVP-ENUM-013.
#[test]
fn levels_have_names_and_advice() {
    let levels = [Compression::None, Compression::Fast, Compression::Balanced, Compression::Max];
    assert_eq!(levels.map(Compression::level), [None, Some(1), Some(3), Some(19)]);
    assert_eq!(levels.map(|level| Compression::from_name(level.as_str())), levels.map(Some));
    assert_eq!(Compression::from_name("default"), Some(Compression::Balanced));
    let advised = |payload_type, len| Compression::advised(payload_type, len);
    assert_eq!(advised(PayloadType::Embedding, 512), Compression::None);
    assert_eq!(advised(PayloadType::Embedding, 2048), Compression::Balanced);
    assert_eq!(advised(PayloadType::HiddenState, 16 << 10), Compression::None);
    assert_eq!(advised(PayloadType::KvCache, 1 << 20), Compression::None);
}

/// AVP-CMP-005, AVP-CMP-006, AVP-CMP-008.
#[test]
fn only_one_whole_frame_is_a_payload() {
    let frame = zstd::bulk::compress(&noise(1000), 3).unwrap();
    assert_eq!(read(&frame).unwrap(), noise(1000));
    assert_eq!(read(&Frame::raw(b"content").size(None).bytes()).unwrap(), b"content");

    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9][..], &frame].concat();
    for bad in [
        [&frame[..], &frame].concat(),
        [&frame[..], b"junk"].concat(),
        skippable,
        vec![],
        b"\0\0\x80?".to_vec(),
        frame[..frame.len() - 1].to_vec(),
    ] {
        assert_eq!(class(&bad), ErrorClass::Decode);
    }

    let mut summed = zstd::bulk::Compressor::new(3).unwrap();
    summed.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true)).unwrap();
    let mut frame = summed.compress(&noise(1000)).unwrap();
    assert_eq!(read(&frame).unwrap(), noise(1000));
    *frame.last_mut().unwrap() ^= 1;
    assert_eq!(class(&frame), ErrorClass::Decode);
}

/// AVP-CMP-009, AVP-META-037, A-022.
#[test]
fn the_flag_decides() {
    let frame = zstd::bulk::compress(b"payload", 3).unwrap();
    let read = |flags, name: &[u8], section: &[u8]| {
        let metadata = [&[0x5a, name.len() as u8], name].concat();
        decode(&message(flags, &metadata, section))
            .map(|message| (message.payload.to_vec(), message.metadata.compression))
            .map_err(|error| error.class)
    };
    let inflated = Ok((b"payload".to_vec(), Some("zstd".to_owned())));
    assert_eq!(read(1, b"zstd", &frame), inflated);
    assert_eq!(read(1, b"", &frame), inflated);
    assert_eq!(read(1, b"lz4", &frame), Err(ErrorClass::Decode));
    assert_eq!(read(0, b"zstd", &frame), Ok((frame.clone(), None)));
    assert_eq!(read(0, b"lz4", &frame), Ok((frame.clone(), None)));
}

/// Frames of every size without their size, so that the buffer grows.
#[test]
fn unsized_frames_are_read() {
    for len in [0, 1, 1000, 64 << 10, (64 << 10) + 1, 200_000, 1 << 20, 3_000_000] {
        let content: Vec<u8> = (0..len).map(|i| (i / 1000) as u8).collect();
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        std::io::Write::write_all(&mut encoder, &content).unwrap();
        let frame = encoder.finish().unwrap();
        assert_eq!(read(&frame).unwrap(), content, "{len}");

        let limit = |max_payload| {
            let limits = Limits { max_payload, ..Limits::default() };
            let bytes = compressed(&frame);
            Decoder::new().limits(limits).decode(&bytes).map(|m| m.payload.len()).map_err(|e| e.class)
        };
        assert_eq!(limit(len as u64), Ok(len));
        if len > 0 {
            assert_eq!(limit(len as u64 - 1), Err(ErrorClass::LimitExceeded));
        }
    }
}

/// AVP-CMP-018: refused at once. `tests/memory.rs` looks at the memory.
#[test]
fn bombs_are_refused_at_once() {
    let start = Instant::now();
    let gigabyte = Frame::zeros(1 << 13);
    assert!(gigabyte.bytes().len() < 33 << 10);
    assert_eq!(class(&gigabyte.bytes()), ErrorClass::LimitExceeded);
    assert_eq!(class(&Frame::zeros(1 << 13).size(None).bytes()), ErrorClass::LimitExceeded);
    for claim in [1 << 62, u64::MAX, u64::MAX - 1] {
        assert_eq!(class(&Frame::raw(b"12345678").size(Some(claim)).bytes()), ErrorClass::LimitExceeded);
    }
    // A claim inside the limit that the blocks contradict, from above and from below.
    assert_eq!(class(&Frame::zeros(1 << 13).size(Some(8)).bytes()), ErrorClass::Decode);
    assert_eq!(class(&Frame::raw(b"12345678").size(Some(500 << 20)).bytes()), ErrorClass::Decode);
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());

    // A window of 2 GiB.
    let mut window = Frame::raw(b"12345678").size(None).bytes();
    window[5] = 21 << 3;
    assert_eq!(class(&window), ErrorClass::LimitExceeded);
}
