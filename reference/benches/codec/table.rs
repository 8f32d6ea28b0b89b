//! The table of ratios: every row of a size measured in turns, best of all rounds.

use std::{
    collections::BTreeMap,
    env,
    hint::black_box,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use avp::wire::{Decoder, Encoder, crc32};

use super::cases;

/// Time spent on each size. The best round counts, so more time only makes the numbers steadier.
const TIME_PER_SIZE: Duration = Duration::from_secs(6);
const MIN_ROUNDS: usize = 8;
/// What an acceptable codec reaches of the slower of memcpy and CRC, at 1 MiB and above.
const GOAL: f64 = 0.8;

/// Rows that are measured, in order.
const ROWS: [&str; 8] = ["memcpy", "placed", "crc32", "encode", "_into", "moved", "vectored", "decode"];
const COPY: usize = 0;
const PLACED: usize = 1;
const CRC: usize = 2;
const ENCODE: usize = 3;
const INTO: usize = 4;
const MOVED: usize = 5;
const VECTORED: usize = 6;
const DECODE: usize = 7;

pub(crate) fn print() {
    let python = python_times();
    println!(
        "\nGB/s, best round of each. memcpy: into a buffer as it was allocated. placed: memcpy to where the"
    );
    println!(
        "payload of the message stands, which is no multiple of a cache line. encode: into new memory, whose"
    );
    println!(
        "pages must first be had. _into: encode_into, into the same memory each time. moved: the same with one of"
    );
    println!(
        "the checksums, one in sixteen, whose varint is short, so that the payload moves up. ratio: to the slower"
    );
    println!("of placed and crc32 (goal {GOAL} from 1 MiB)");
    print!("{:>7}", "size");
    ROWS.iter().for_each(|row| print!(" {row:>8}"));
    println!("   {:>11} {:>8} {:>8}", "ratio _into", "vectored", "decode");
    for size in cases::SIZES {
        let best = measure(size.len);
        let rate = best.map(|time| size.len as f64 / time.as_secs_f64() / 1e9);
        let limit = rate[PLACED].min(rate[CRC]);
        print!("{:>7}", size.name);
        rate.iter().for_each(|rate| print!(" {rate:>8.2}"));
        let ratios = [INTO, VECTORED, DECODE].map(|row| rate[row] / limit);
        println!("   {:>11.2} {:>8.2} {:>8.2}", ratios[0], ratios[1], ratios[2]);
        if let Some(python) = python.get(size.name) {
            let times = |operation: &str, row: usize| {
                python[operation].as_f64().unwrap_or(f64::NAN) / best[row].as_secs_f64()
            };
            println!(
                "        the Python package takes {:.1} times as long to encode ({:.1} times encode_into), {:.1} times to decode",
                times("encode", ENCODE),
                times("encode", INTO),
                times("decode", DECODE)
            );
        }
    }
}

/// Best times of [`ROWS`].
fn measure(len: usize) -> [Duration; ROWS.len()] {
    let metadata = cases::metadata(len);
    let payload = cases::with_checksum(cases::floats(len), false);
    let unlucky = cases::with_checksum(payload.clone(), true);
    let encoder = Encoder::new();
    let message = encoder.encode(&metadata, &payload).expect("a valid message");
    let head = message.len() - len;
    let (mut copy, mut out) = (Vec::with_capacity(len), Vec::with_capacity(message.len()));
    // Short runs are repeated within one measurement, so that the clock does not count.
    let repeat = ((1 << 20) / len).max(1) as u32;

    let mut best = [Duration::MAX; ROWS.len()];
    let (start, mut rounds) = (Instant::now(), 0);
    while rounds < MIN_ROUNDS || start.elapsed() < TIME_PER_SIZE {
        rounds += 1;
        let mut time = |row: usize, work: &mut dyn FnMut()| {
            let start = Instant::now();
            for _ in 0..repeat {
                work();
            }
            best[row] = best[row].min(start.elapsed() / repeat);
        };
        time(COPY, &mut || {
            copy.clear();
            copy.extend_from_slice(black_box(&payload));
            black_box(&copy);
        });
        time(PLACED, &mut || {
            out.clear();
            out.extend_from_slice(&message[..head]);
            out.extend_from_slice(black_box(&payload));
            black_box(&out);
        });
        time(CRC, &mut || {
            black_box(crc32(black_box(&payload)));
        });
        time(ENCODE, &mut || {
            black_box(encoder.encode(&metadata, black_box(&payload))).expect("encodes");
        });
        time(INTO, &mut || {
            out.clear();
            encoder.encode_into(&metadata, black_box(&payload), &mut out).expect("encodes");
            black_box(&out);
        });
        time(MOVED, &mut || {
            out.clear();
            encoder.encode_into(&metadata, black_box(&unlucky), &mut out).expect("encodes");
            black_box(&out);
        });
        time(VECTORED, &mut || {
            black_box(encoder.encode_vectored(&metadata, black_box(&payload))).expect("encodes");
        });
        time(DECODE, &mut || {
            black_box(Decoder::new().decode(black_box(&message))).expect("decodes");
        });
    }
    best
}

/// Seconds by size and operation, from the script beside this file; empty without an interpreter.
fn python_times() -> BTreeMap<String, serde_json::Value> {
    let Ok(python) = env::var("AVP_BENCH_PYTHON") else { return BTreeMap::new() };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/python_sdk.py");
    let sizes: Vec<String> = cases::SIZES.iter().map(|size| format!("{}={}", size.name, size.len)).collect();
    let output = Command::new(&python).arg(script).args(sizes).output();
    match output {
        Ok(output) if output.status.success() => {
            let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            println!("\nPython package avp {}", json["version"].as_str().unwrap_or("?"));
            serde_json::from_value(json["seconds"].clone()).unwrap_or_default()
        }
        Ok(output) => {
            eprintln!("{python} failed: {}", String::from_utf8_lossy(&output.stderr));
            BTreeMap::new()
        }
        Err(error) => {
            eprintln!("{python} did not start: {error}");
            BTreeMap::new()
        }
    }
}
