//! Payload bytes in logs, in any form that a program may write them.

use base64::Engine as _;
use serde_json::{Value, json};

use super::args::BadArgs;
use crate::adapter::Request;

/// Least bytes of a marker: fewer might stand in a log by chance.
const LEAST: usize = 16;

/// So many bytes in a row of the marker are enough to be a leak: a log may show only the first few of a payload.
const TELLING: usize = 12;

/// The step `peer_search`: whether the part `log`, or the adapter's stderr, holds bytes of the part `marker`.
pub(super) fn search(step: &Request, stderr: &str) -> Result<Value, BadArgs> {
    let part = |name: &str| step.parts.iter().find(|part| part.name == name);
    let marker = part("marker").map(|part| &part.bytes[..]).ok_or(BadArgs("the part `marker` is missing"))?;
    if marker.len() < LEAST {
        return Err(BadArgs("a marker of fewer than 16 bytes"));
    }
    let log = part("log").map(|part| &part.bytes[..]).unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for (place, text) in [("log", log), ("stderr", stderr.as_bytes())] {
        found.extend(forms_in(text, marker).into_iter().map(|form| format!("{form} in {place}")));
    }
    Ok(json!({"found": found, "log_bytes": log.len()}))
}

/// The forms in which the log holds a piece of the marker.
fn forms_in(log: &[u8], marker: &[u8]) -> Vec<&'static str> {
    // Digits, letters and signs alone: spaces, colons, commas and `0x` between hex digits do not hide them.
    let dense: Vec<u8> = log
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'))
        .map(u8::to_ascii_lowercase)
        .collect();
    let unprefixed = without(&without(&dense, b"0x"), b"x");
    let numbers: String = String::from_utf8_lossy(log)
        .chars()
        .map(|character| if character.is_ascii_digit() { character } else { ' ' })
        .collect();
    let numbers = format!(" {} ", numbers.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    let base64 = base64_pieces(marker);
    let mut found = Vec::new();
    let mut note = |form, holds: bool| {
        if holds && !found.contains(&form) {
            found.push(form);
        }
    };
    for window in marker.windows(TELLING) {
        note("raw", contains(log, window));
        let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
        note("hex", contains(&unprefixed, hex.as_bytes()) || contains(&dense, hex.as_bytes()));
        let decimals: Vec<String> = window.iter().map(u8::to_string).collect();
        note("numbers", numbers.contains(&format!(" {} ", decimals.join(" "))));
        note("escapes", contains(log, window.escape_ascii().to_string().as_bytes()));
    }
    note("base64", base64.iter().any(|piece| contains(log, piece.as_bytes())));
    found
}

/// What base64 makes of the marker wherever it begins in a group of three bytes, in both alphabets, without the ends that
/// depend on its neighbours.
fn base64_pieces(marker: &[u8]) -> Vec<String> {
    let mut pieces = Vec::new();
    for skip in 0..3 {
        let inner = &marker[skip..];
        let whole = &inner[..inner.len() / 3 * 3];
        for engine in [base64::engine::general_purpose::STANDARD, base64::engine::general_purpose::URL_SAFE] {
            let text = engine.encode(whole);
            // A log may show the beginning of a payload only.
            pieces.extend([text.chars().take(16).collect(), text]);
        }
    }
    pieces
}

fn without(bytes: &[u8], word: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(word) {
            at += word.len();
        } else {
            kept.push(bytes[at]);
            at += 1;
        }
    }
    kept
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: &[u8] = b"\x00\x17marker-of-the-payload\xf0\x9f\xff\x80\x01\x02\x03\x04\x05";

    #[test]
    fn every_form_is_found() {
        let hex: String = MARKER.iter().map(|byte| format!("{byte:02X}")).collect();
        let spaced: String = MARKER.iter().map(|byte| format!("0x{byte:02x}, ")).collect();
        let python: String = MARKER.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        let shifted = |skip: usize| {
            let with = [&b"abc"[..skip], MARKER].concat();
            base64::engine::general_purpose::STANDARD.encode(with)
        };
        for (log, form) in [
            (MARKER.to_vec(), "raw"),
            (MARKER[4..20].to_vec(), "raw"),
            (hex.into_bytes(), "hex"),
            (spaced.into_bytes(), "hex"),
            (python.into_bytes(), "hex"),
            (format!("{MARKER:?}").into_bytes(), "numbers"),
            (MARKER.escape_ascii().to_string().into_bytes(), "escapes"),
            (shifted(0).into_bytes(), "base64"),
            (shifted(1).into_bytes(), "base64"),
            (shifted(2).into_bytes(), "base64"),
        ] {
            let log = [b"2026-01-01 DEBUG got ", &log[..], b" from a-1"].concat();
            assert!(forms_in(&log, MARKER).contains(&form), "{form}: {}", log.escape_ascii());
        }
    }

    #[test]
    fn what_may_be_logged_is_not_taken_for_a_payload() {
        let log = b"POST /avp/v2/transmit 200 60 bytes session 5e55abcd model test-model 4 17 23 hex 00ff";
        assert_eq!(forms_in(log, MARKER), Vec::<&str>::new());
        assert_eq!(forms_in(b"", MARKER), Vec::<&str>::new());
    }
}
