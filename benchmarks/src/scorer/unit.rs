//! TOKENS → TOKENS: a value without the unit behind it, unless the words there say more than a unit does.

use super::tex::Token;

/// Units as words; degrees and percent among them.
const UNITS: [&str; 66] = [
    "mm",
    "cm",
    "km",
    "inch",
    "inches",
    "in",
    "foot",
    "feet",
    "ft",
    "yard",
    "yards",
    "mile",
    "miles",
    "meter",
    "meters",
    "metre",
    "metres",
    "centimeter",
    "centimeters",
    "kilometer",
    "kilometers",
    "gram",
    "grams",
    "kg",
    "kilogram",
    "kilograms",
    "lb",
    "lbs",
    "pound",
    "pounds",
    "ounce",
    "ounces",
    "oz",
    "second",
    "seconds",
    "sec",
    "minute",
    "minutes",
    "min",
    "hour",
    "hours",
    "day",
    "days",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "years",
    "degree",
    "degrees",
    "radian",
    "radians",
    "dollar",
    "dollars",
    "cent",
    "cents",
    "percent",
    "unit",
    "units",
    "square",
    "cubic",
    "sq",
    "squared",
    "mph",
    "per",
];

/// Words that make another number of the one in front of them.
const MAGNITUDES: [&str; 13] = [
    "hundred",
    "hundreds",
    "thousand",
    "thousands",
    "million",
    "millions",
    "billion",
    "billions",
    "trillion",
    "dozen",
    "dozens",
    "half",
    "halves",
];
/// Words that begin a condition, a denial or a choice.
const TURNS: [&str; 14] =
    ["or", "and", "not", "if", "is", "are", "for", "when", "where", "mod", "modulo", "base", "except", "but"];

/// Whether one of the words of a text makes another number of the one in front of it.
pub(super) fn multiplies(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphabetic());
    words.any(|word| MAGNITUDES.contains(&word.to_lowercase().as_str()))
}

/// Whether a text behind a value is more than its unit: `million`, `or more`, `is odd`.
fn says_more(text: &str) -> bool {
    let first = text.split(|c: char| !c.is_alphabetic()).find(|word| !word.is_empty());
    text.contains(|c: char| c.is_ascii_digit())
        || multiplies(text)
        || first.is_some_and(|word| TURNS.contains(&word.to_lowercase().as_str()))
}

/// The unit behind a value left out.
pub(super) fn drop_unit(tokens: &mut Vec<Token>) {
    let mut end = tokens.len();
    let before = |end: usize| (0..end).rfind(|&at| !tokens[at].is(" ")).map_or(0, |at| at + 1);
    while end > 0 && [" ", "."].iter().any(|sign| tokens[end - 1].is(sign)) {
        end -= 1;
    }
    // The unit's exponent: `^2`, `^{2}`.
    let exponent = (end.saturating_sub(4)..end).rfind(|&at| tokens[at].is("^")).filter(|&at| {
        tokens[at + 1..end].iter().all(|token| token.is("{") || token.is("}") || token.is_digit())
    });
    let stem = before(exponent.unwrap_or(end));
    let start = match stem.checked_sub(1).map(|last| &tokens[last]) {
        Some(Token::Words(_)) => (0..stem)
            .rfind(|&at| !matches!(&tokens[at], Token::Words(_)) && !tokens[at].is(" "))
            .map_or(0, |at| at + 1),
        Some(Token::Sign(_)) => {
            let letters = |token: &Token| token.letter().is_some() || token.is(" ");
            let start = (0..stem).rfind(|&at| !letters(&tokens[at])).map_or(0, |at| at + 1);
            let plain: String = tokens[start..stem].iter().map(Token::written).collect();
            let mut words = plain.split_whitespace().peekable();
            if words.peek().is_none() || !words.all(|word| UNITS.contains(&word.to_lowercase().as_str())) {
                return;
            }
            start
        }
        None => return,
    };
    let text: String = tokens[start..stem].iter().map(Token::written).collect();
    // A text with nothing in front of it is the answer.
    if before(start) > 0 && !says_more(&text) {
        tokens.truncate(start);
    }
}
