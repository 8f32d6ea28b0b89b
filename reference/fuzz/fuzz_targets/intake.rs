#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| avp::fuzzing::http::intake(bytes));
