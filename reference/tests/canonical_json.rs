//! The canonical JSON of hashes against CPython's own `json` module, on generated texts.

use std::io::Write as _;
use std::process::{Command, Stdio};

use avp::session::canonical;
use avp::session::json::{Json, JsonLimits};

/// Texts in as a JSON array of strings; out one line a text: the canonical text, or `!` when it is refused.
const PYTHON: &str = r#"
import json, sys
for text in json.load(sys.stdin):
    try:
        print(json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")))
    except ValueError:
        print("!")
"#;

/// SplitMix64: the same texts everywhere, for a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

fn value(random: &mut Random, depth: usize, out: &mut String) {
    space(random, out);
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => out.push_str(random.pick(&[
            "null",
            "true",
            "false",
            "NaN",
            "Infinity",
            "-Infinity",
            "-0",
            "-0.0",
            "0e0",
        ])),
        1 => integer(random, out),
        2 | 3 => float(random, out),
        4 | 5 => string(random, out),
        6 => {
            out.push('[');
            for index in 0..random.below(5) {
                if index > 0 {
                    out.push(',');
                }
                value(random, depth - 1, out);
            }
            out.push(']');
        }
        _ => {
            out.push('{');
            for index in 0..random.below(7) {
                if index > 0 {
                    out.push(',');
                }
                space(random, out);
                string(random, out);
                space(random, out);
                out.push(':');
                value(random, depth - 1, out);
            }
            out.push('}');
        }
    }
    space(random, out);
}

fn space(random: &mut Random, out: &mut String) {
    if random.below(4) == 0 {
        out.push_str(random.pick(&[" ", "\t", "\n", "\r", " \n "]));
    }
}

fn integer(random: &mut Random, out: &mut String) {
    out.push_str(random.pick(&["", "-"]));
    out.push_str(&(1 + random.next() % 9).to_string());
    let extra = match random.below(20) {
        0 => random.below(4300),
        1..=5 => random.below(40),
        _ => random.below(6),
    };
    (0..extra).for_each(|_| out.push_str(&(random.next() % 10).to_string()));
}

fn float(random: &mut Random, out: &mut String) {
    match random.below(4) {
        // Any bit pattern, in digits that read back to it.
        0 => match f64::from_bits(random.next()) {
            x if x.is_finite() => out.push_str(&format!("{x:e}")),
            _ => out.push_str("1e999"),
        },
        // Digits with a point somewhere, as people write them.
        1 => out.push_str(&format!("{}.{}", random.next() % 1_000_000, random.next() % 1_000_000_000)),
        // Around the borders between notations and of the range.
        2 => {
            let digits = random.next() >> random.below(60);
            let exponent = [-324, -308, -6, -5, -4, 0, 14, 15, 16, 17, 22, 300, 308, 309][random.below(14)];
            out.push_str(&format!("{digits}{}{exponent:+}", random.pick(&["e", "E"])));
        }
        // More digits than a double holds.
        _ => {
            out.push_str("-0.");
            (0..random.below(60)).for_each(|_| out.push_str(&(random.next() % 10).to_string()));
            out.push_str(&format!("{}E-{}", random.next() % 10, random.below(330)));
        }
    }
}

fn string(random: &mut Random, out: &mut String) {
    const PIECES: &[&str] = &[
        "a",
        "b",
        "A",
        "0",
        "10",
        "9",
        " ",
        "/",
        "'",
        "é",
        "\u{7f}",
        "\u{80}",
        "\u{2028}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{ffff}",
        "😀",
        "\u{10ffff}",
        "Ġ",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\b",
        "\\f",
        "\\r",
        "\\t",
        "\\u0000",
        "\\u001f",
        "\\u00e9",
        "\\uD83D\\uDE00",
        "\\ud83d",
        "\\ude00",
        "\\uffff",
        "\\u0061",
        "\\ud800\\ud800\\udc00",
    ];
    out.push('"');
    for _ in 0..random.below(4) {
        out.push_str(random.pick(PIECES));
    }
    out.push('"');
}

/// Leaves out, doubles or replaces a character: most such texts are no JSON any more.
fn damage(random: &mut Random, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let at = random.below(characters.len());
    match random.below(3) {
        0 => {
            characters.remove(at);
        }
        1 => characters.insert(at, characters[at]),
        _ => {
            characters[at] = ['"', '\\', ',', '.', 'e', '0', '-', '}', '\u{1}', '\u{feff}'][random.below(10)];
        }
    }
    characters.into_iter().collect()
}

fn ours(text: &str) -> String {
    let mut out = Vec::new();
    match Json::parse(text, &JsonLimits::CONFIG) {
        Ok(value) => canonical::write(&value, &mut out).expect("keys are strings"),
        Err(_) => return "!".to_owned(),
    }
    String::from_utf8(out).expect("canonical text is ASCII")
}

#[test]
fn canonical_text_is_cpythons() {
    let seed = 0x5eed_2026;
    let mut random = Random(seed);
    let mut texts = Vec::new();
    for _ in 0..10_000 {
        let mut text = String::new();
        value(&mut random, 4, &mut text);
        if random.below(3) == 0 {
            text = damage(&mut random, &text);
        }
        texts.push(text);
    }
    let python = Command::new("python3")
        .args(["-c", PYTHON])
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut python = match python {
        Ok(python) => python,
        Err(error) => {
            eprintln!(
                "SKIPPED: canonical JSON was not compared with CPython, python3 does not start: {error}"
            );
            return;
        }
    };
    let mut input = python.stdin.take().expect("piped");
    let sent = serde_json::to_vec(&texts).expect("strings");
    // Python reads everything before it answers, so one after the other can't block.
    input.write_all(&sent).expect("python3 reads");
    drop(input);
    let output = python.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "python3 failed");
    let theirs = String::from_utf8(output.stdout).expect("ASCII");
    let theirs: Vec<_> = theirs.lines().collect();
    assert_eq!(theirs.len(), texts.len());
    let mut refused = 0;
    for (text, theirs) in texts.iter().zip(theirs) {
        assert_eq!(ours(text), theirs, "seed {seed:#x}, text {text:?}");
        refused += usize::from(theirs == "!");
    }
    assert!((500..8000).contains(&refused), "{refused} texts of {} refused", texts.len());
}
