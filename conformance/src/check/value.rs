//! Random JSON values, and texts that write one value in many ways.

use serde_json::Value;

use super::random::Random;

/// A value that can be written in several ways.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// `null`, `true`, `false`.
    Word(&'static str),
    /// Digits as they are written.
    Number(String),
    Text(String),
    Array(Vec<Self>),
    /// Keys are distinct.
    Object(Vec<(String, Self)>),
}

impl Node {
    /// A value at most `depth` deep.
    pub(super) fn new(random: &mut Random, depth: usize) -> Self {
        match random.below(if depth == 0 { 4 } else { 6 }) {
            0 => Self::Word(random.pick(&["null", "true", "false"])),
            1 => Self::Number(integer(random)),
            2 => Self::Number(float(random)),
            3 => Self::Text(random.text(8)),
            4 => Self::Array((0..random.below(4)).map(|_| Self::new(random, depth - 1)).collect()),
            _ => Self::object(random, depth - 1),
        }
    }

    /// An object whose members are at most `depth` deep.
    pub(super) fn object(random: &mut Random, depth: usize) -> Self {
        let mut members: Vec<(String, Self)> = Vec::new();
        for _ in 0..random.below(6) {
            let key = if random.once_in(3) { random.text(4) } else { random.word(6) };
            if members.iter().all(|(known, _)| *known != key) {
                members.push((key, Self::new(random, depth)));
            }
        }
        Self::Object(members)
    }

    /// Puts the members of every object into another order.
    pub(super) fn shuffle(&mut self, random: &mut Random) {
        match self {
            Self::Array(items) => items.iter_mut().for_each(|item| item.shuffle(random)),
            Self::Object(members) => {
                random.shuffle(members);
                members.iter_mut().for_each(|(_, value)| value.shuffle(random));
            }
            _ => {}
        }
    }

    /// JSON text with random white space and random escapes.
    pub(super) fn text(&self, random: &mut Random) -> String {
        let mut out = String::new();
        self.write(random, &mut out);
        out
    }

    fn write(&self, random: &mut Random, out: &mut String) {
        space(random, out);
        match self {
            Self::Word(word) => out.push_str(word),
            Self::Number(digits) => out.push_str(digits),
            Self::Text(text) => write_text(random, out, text),
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    item.write(random, out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    space(random, out);
                    write_text(random, out, key);
                    space(random, out);
                    out.push(':');
                    value.write(random, out);
                }
                out.push('}');
            }
        }
        space(random, out);
    }
}

fn space(random: &mut Random, out: &mut String) {
    if random.once_in(4) {
        out.push_str(random.pick(&[" ", "\n", "\t", "\r\n", "  "]));
    }
}

fn write_text(random: &mut Random, out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        let must = matches!(c, '"' | '\\' | '\0'..='\x1f');
        if must || random.once_in(6) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let digits = format!("{unit:04x}");
                out.push_str("\\u");
                out.push_str(&if random.once_in(2) { digits.to_uppercase() } else { digits });
            }
        } else {
            out.push(c);
        }
    }
    out.push('"');
}

/// A whole number of any size.
pub(super) fn integer(random: &mut Random) -> String {
    let sign = if random.once_in(4) { "-" } else { "" };
    let digits = match random.below(4) {
        0 => random.below(10).to_string(),
        1 => random.number().to_string(),
        2 => random.u64().to_string(),
        _ => format!("{}{:020}", random.between(1, 9), random.u64()),
    };
    format!("{sign}{digits}")
}

/// A finite float, written in one of the ways that JSON allows.
pub(super) fn float(random: &mut Random) -> String {
    let number = match random.below(5) {
        // Round numbers, as configurations have them.
        0 => random.below(1000) as f64 / random.pick(&[1.0, 2.0, 10.0, 100.0, 1000.0]),
        1 => 10f64.powi(random.below(44) as i32 - 22),
        // Few bits below the point: often just between two decimals.
        2 => (random.u64() >> 11) as f64 / (random.pick(&[1u64, 1 << 8, 1 << 20, 1 << 40, 1 << 60]) as f64),
        3 => f64::from(f32::from_bits(random.u32())),
        _ => f64::from_bits(random.u64()),
    };
    let number = if number.is_finite() { number } else { 0.5 };
    let written = match random.below(3) {
        0 => format!("{number:e}"),
        1 => format!("{number:E}"),
        _ if number == 0.0 || (1e-25..1e25).contains(&number.abs()) => format!("{number:?}"),
        _ => format!("{number:e}").replace('e', "e+").replace("e+-", "e-"),
    };
    // Without point and exponent it would be an integer.
    if written.contains(['.', 'e', 'E']) { written } else { format!("{written}.0") }
}

/// A small value that JSON carries exactly, for arguments.
pub(super) fn plain_value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 3 } else { 5 }) {
        0 => Value::from(random.number()),
        1 => Value::from(random.text(8)),
        2 => Value::Bool(random.once_in(2)),
        3 => (0..random.below(3)).map(|_| plain_value(random, depth - 1)).collect(),
        _ => {
            let members = (0..random.below(3))
                .map(|i| (format!("{}{i}", random.word(4)), plain_value(random, depth - 1)));
            Value::Object(members.collect())
        }
    }
}
