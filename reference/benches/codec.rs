//! How fast messages are written and read, beside what the machine can do at all: copying the payload, and summing it.
//!
//!     cargo bench -p avp --bench codec
//!     AVP_BENCH_PYTHON=path/to/python cargo bench -p avp --bench codec -- --table-only
//!
//! Criterion measures each row by itself. The table at the end measures all rows of a size in turns, takes the best of
//! each and prints ratios, which other load on the machine disturbs less. With `AVP_BENCH_PYTHON`, an interpreter that
//! has the Python package `avp`, the table also has that package's times, taken in the same run. `--table-only` leaves
//! criterion out.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

#[path = "codec/cases.rs"]
mod cases;
#[path = "codec/table.rs"]
mod table;

use std::{hint::black_box, time::Duration};

use avp::wire::{Compression, Decoder, Encoder};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};

fn uncompressed(criterion: &mut Criterion) {
    for size in cases::SIZES {
        let metadata = cases::metadata(size.len);
        let payload = cases::with_checksum(cases::floats(size.len), false);
        let encoder = Encoder::new();
        let message = encoder.encode(&metadata, &payload).expect("a valid message");
        let mut out = Vec::with_capacity(message.len());

        let mut group = criterion.benchmark_group(format!("uncompressed/{}", size.name));
        group.throughput(Throughput::Bytes(size.len as u64));
        if size.len > 32 << 20 {
            group.sample_size(10).measurement_time(Duration::from_secs(10));
        }
        group.bench_function("memcpy", |b| {
            b.iter(|| {
                out.clear();
                out.extend_from_slice(black_box(&payload));
                black_box(&out);
            });
        });
        group.bench_function("crc32", |b| b.iter(|| avp::wire::crc32(black_box(&payload))));
        group.bench_function("encode", |b| b.iter(|| encoder.encode(&metadata, black_box(&payload))));
        group.bench_function("encode_into", |b| {
            b.iter(|| {
                out.clear();
                black_box(encoder.encode_into(&metadata, black_box(&payload), &mut out))
            });
        });
        group.bench_function("encode_vectored", |b| {
            b.iter(|| {
                encoder.encode_vectored(&metadata, black_box(&payload)).map(|message| message.message_len())
            });
        });
        group.bench_function("decode", |b| {
            b.iter(|| Decoder::new().decode(black_box(&message)).map(|message| message.consumed));
        });
        group.finish();
    }
}

fn compressed(criterion: &mut Criterion) {
    for size in cases::SIZES.iter().filter(|size| size.len <= cases::MAX_COMPRESSED) {
        let metadata = cases::metadata(size.len);
        let payload = cases::floats(size.len);
        let mut group = criterion.benchmark_group(format!("zstd/{}", size.name));
        group.throughput(Throughput::Bytes(size.len as u64)).sample_size(10);
        for compression in [Compression::Fast, Compression::Balanced, Compression::Max] {
            // Level 19 takes seconds a megabyte on noise.
            if compression == Compression::Max && size.len > 64 << 10 {
                continue;
            }
            let encoder = Encoder::new().compression(compression);
            let message = encoder.encode(&metadata, &payload).expect("a valid message");
            let mut out = Vec::new();
            group.bench_function(BenchmarkId::new("encode_into", compression.as_str()), |b| {
                b.iter(|| {
                    out.clear();
                    black_box(encoder.encode_into(&metadata, black_box(&payload), &mut out))
                });
            });
            group.bench_function(BenchmarkId::new("decode", compression.as_str()), |b| {
                b.iter(|| Decoder::new().decode(black_box(&message)).map(|message| message.payload.len()));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, uncompressed, compressed);

fn main() {
    // `cargo test --benches` starts this with `--test`: one round of criterion, no table.
    let flag = |name: &str| std::env::args().any(|arg| arg == name);
    if !flag("--table-only") {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
    if flag("--bench") && !flag("--test") {
        table::print();
    }
}
