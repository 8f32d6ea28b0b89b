//! What is in a message?
//!
//!     cargo run -p avp --example 01_inspect [FILE]
//!
//! Decoding is lenient: whatever can be read is read, and what is odd comes back as diagnostics with the id of the
//! requirement that speaks of it. A strict decoder refuses the same message with the first of them.

use std::{env, error::Error, fs};

use avp::{Decoder, Message, wire::Dialect};

/// Golden vector 2 with a KV flag that its metadata does not confirm, and bytes behind it.
const ODD: &[u8] = &[
    b'A', b'V', 1, 0x04, 13, 0, 0, 0, 5, 0, 0, 0, // header: flags, both lengths
    0x28, 2, 0x4a, 1, 2, // hidden_dim 2, tensor_shape [2]
    0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, // 1.0, 2.0
    b'x', b'y', b'z', // not part of it
];

fn main() -> Result<(), Box<dyn Error>> {
    let bytes = match env::args().nth(1) {
        Some(path) => fs::read(path)?,
        None => ODD.to_vec(),
    };
    // A message that does not tell its dialect, or contradicts itself, is read as 0.4.
    let message = Decoder::new().assume(Dialect::V04).decode(&bytes)?;
    print(&message, bytes.len());
    match Decoder::new().strict(true).decode(&bytes) {
        Ok(_) => println!("strict: accepted"),
        Err(error) => println!("strict: refused as {}: {error}", error.class.code()),
    }
    Ok(())
}

fn print(message: &Message<'_>, input_len: usize) {
    let neutral = if message.neutral { " (or any other)" } else { "" };
    println!("dialect {}{neutral}, {} of {input_len} bytes", message.dialect, message.consumed);
    let header = &message.header;
    println!(
        "flags 0x{:02x}, metadata {} bytes, payload section {} bytes, payload {} bytes",
        header.flags,
        header.metadata_length,
        header.payload_length - header.metadata_length,
        message.payload.len()
    );
    println!("{:#?}", message.metadata);
    for diagnostic in &message.diagnostics {
        println!("odd: {diagnostic}");
    }
}
