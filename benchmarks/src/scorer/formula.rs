//! TOKENS → CANONICAL TEXT: lists, sets, tuples, intervals, matrices and equations over sums, so that equal answers are equal
//! texts.
//!
//! - Lists with commas (`1, -2`) and sets (`\{1, -2\}`) are the same, in any order; `a \pm b` is a list of two.
//! - A set in a list is one element. A matrix goes by rows, a determinant is no matrix.
//! - Tuples and intervals (`(1, 2]`) keep their order and their brackets; unions go in any order.
//! - `x = 5`, `x \in [0, 1]` and `x = 1, x = -2` are also said by their right sides alone; of numbers that are equal, as in
//!   `9 \times 2 = 18`, the last one counts. Other equations are both sides.
//! - A word is compared without case. What is none of these is compared sign by sign.

use super::rational::Rational;
use super::term::sum;
use super::tex::{Token, tokens};

/// How deep lists may stand in one another.
const MAX_DEPTH: usize = 8;
/// Signs that part two sides.
const RELATIONS: [&str; 10] = ["=", "<", ">", "\\le", "\\ge", "\\ne", "\\in", "\\approx", "\\equiv", "\\to"];

/// An answer in one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Formula {
    /// What the value is given to, as `x` in `x = 5`.
    variable: Option<String>,
    /// In one form.
    value: String,
    /// Where the value is a number.
    number: Option<Rational>,
}

impl Formula {
    /// Nothing for a text that is empty or too long.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut tokens = tokens(text)?;
        let mut variable = None;
        if let Some(at) = tokens.iter().position(|token| token.is("=") || token.is("\\in"))
            && let Some(name) = name(&tokens[..at])
            && !tokens[at + 1..].iter().any(|token| RELATIONS.iter().any(|sign| token.is(sign)))
            && parts(&tokens, &[","]).len() == 1
        {
            variable = Some(name);
            tokens.drain(..=at);
        }
        if let Some((name, values)) = solutions(&tokens) {
            variable = Some(name);
            tokens = values;
        }
        if let Some((name, value)) = worked_out(&tokens) {
            variable = variable.or(name);
            tokens = value;
        }
        if tokens.is_empty() {
            return None;
        }
        let number = sum(&tokens).and_then(|sum| sum.number());
        Some(Self { variable, value: canonical(&tokens, 0), number })
    }

    pub(super) fn number(&self) -> Option<Rational> {
        self.number
    }

    /// Whether both say the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let variables =
            self.variable.is_none() || other.variable.is_none() || self.variable == other.variable;
        variables && self.value == other.value
    }
}

/// `x = 1, x = -2`: what the values are given to, and the values with commas between them.
fn solutions(tokens: &[Token]) -> Option<(String, Vec<Token>)> {
    let elements = parts(tokens, &[","]);
    let mut variable = None;
    let mut values = Vec::new();
    for (_, element) in &elements {
        let [(_, left), ("=", right)] = parts(element, &RELATIONS)[..] else { return None };
        let name = name(left)?;
        if right.is_empty() || variable.as_ref().is_some_and(|known| *known != name) {
            return None;
        }
        if variable.is_some() {
            values.push(Token::Sign(",".to_owned()));
        }
        variable = Some(name);
        values.extend_from_slice(right);
    }
    Some((variable?, values)).filter(|_| elements.len() > 1)
}

/// `9 \times 2 = 18`: the last side of an equation whose sides are all one number, and what that is given to.
fn worked_out(tokens: &[Token]) -> Option<(Option<String>, Vec<Token>)> {
    let sides = parts(tokens, &RELATIONS);
    let (&(_, first), rest) = sides.split_first()?;
    let number = |side: &[Token]| sum(side).and_then(|sum| sum.number());
    let value = number(rest.last()?.1)?;
    let given = name(first).filter(|_| number(first).is_none() && rest.len() > 1);
    let equal = rest.iter().all(|(sign, side)| *sign == "=" && number(side) == Some(value));
    (equal && (given.is_some() || number(first) == Some(value)))
        .then(|| (given, rest[rest.len() - 1].1.to_vec()))
}

/// A letter or a symbol, with what stands below it, or a function of a letter: what a value is given to.
fn name(tokens: &[Token]) -> Option<String> {
    let first = tokens.first()?;
    let named = first.letter().is_some() || (first.written().len() > 2 && first.written().starts_with('\\'));
    let rest: Vec<&str> = tokens[1..].iter().map(Token::written).collect();
    let fits = match rest.as_slice() {
        [] | ["_", _] | ["_", "{", .., "}"] => true,
        ["(", letter, ")"] => letter.chars().all(char::is_alphabetic),
        _ => false,
    };
    (named && fits).then(|| tokens.iter().map(Token::written).collect())
}

fn canonical(tokens: &[Token], depth: usize) -> String {
    let written = || tokens.iter().map(Token::written).collect::<String>();
    if depth > MAX_DEPTH {
        return format!("as written {}", written());
    }
    let inside = |tokens: &[Token]| canonical(tokens, depth + 1);
    if let Some(inner) = enclosed(tokens, &["{"], &["}"]) {
        return inside(inner);
    }
    if let Some(matrix) = matrix(tokens, depth) {
        return matrix;
    }
    if let Some(inner) = enclosed(tokens, &["\\{"], &["\\}"]) {
        return list(parts(inner, &[","]).into_iter().map(|(_, part)| element(part, depth)).collect());
    }
    if let Some(inner) = enclosed(tokens, &["(", "["], &[")", "]"]) {
        let elements = parts(inner, &[","]);
        if elements.len() > 1 {
            let elements: Vec<_> = elements.into_iter().map(|(_, part)| inside(part)).collect();
            let (open, close) = (tokens[0].written(), tokens[tokens.len() - 1].written());
            return format!("{open}{}{close}", elements.join("; "));
        }
    }
    let elements = parts(tokens, &[","]);
    if elements.len() > 1 {
        return list(elements.into_iter().map(|(_, part)| element(part, depth)).collect());
    }
    let sides = parts(tokens, &RELATIONS);
    if sides.len() > 1 {
        return sides
            .into_iter()
            .map(|(sign, part)| format!("{sign} {}", inside(part)))
            .collect::<Vec<_>>()
            .join(" ");
    }
    let unions = parts(tokens, &["\\cup"]);
    if unions.len() > 1 {
        let mut unions: Vec<_> = unions.into_iter().map(|(_, part)| inside(part)).collect();
        unions.sort_unstable();
        return unions.join(" or ");
    }
    if tokens.iter().any(|token| token.is("\\pm")) {
        let with = |plus: &str, minus: &str| {
            let signs = tokens.iter().map(|token| match token {
                token if token.is("\\pm") => Token::Sign(plus.to_owned()),
                token if token.is("\\mp") => Token::Sign(minus.to_owned()),
                token => token.clone(),
            });
            inside(&signs.collect::<Vec<_>>())
        };
        return list(vec![with("+", "-"), with("-", "+")]);
    }
    if let Some(word) = word(tokens) {
        return word;
    }
    match sum(tokens) {
        Some(sum) => sum.to_string(),
        None => format!("as written {}", written()),
    }
}

/// An element of a list. A set there is one element; what else is several, as `1 \pm 2`, is several.
fn element(tokens: &[Token], depth: usize) -> String {
    let inside = canonical(tokens, depth + 1);
    match enclosed(tokens, &["\\{"], &["\\}"]) {
        Some(_) => format!("set [{inside}]"),
        None => inside,
    }
}

/// Elements in one order; those of a list inside are the list's own.
fn list(elements: Vec<String>) -> String {
    let mut flat: Vec<String> = Vec::new();
    for element in elements {
        match element.strip_prefix("list ") {
            Some(inner) => flat.extend(inner.split(" | ").map(str::to_owned)),
            None => flat.push(element),
        }
    }
    flat.sort_unstable();
    match flat.as_slice() {
        [one] => one.clone(),
        _ => format!("list {}", flat.join(" | ")),
    }
}

/// Letters alone, two or more, or a text: without case. One letter of a text, also in brackets, is that letter.
fn word(tokens: &[Token]) -> Option<String> {
    if let [Token::Words(words)] = tokens {
        let words = words.trim().trim_end_matches(['.', ' ']);
        let letter = words.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(words).trim();
        let mut letters = letter.chars();
        return match (letters.next(), letters.next()) {
            (Some(c), None) if c.is_alphabetic() => {
                sum(&[Token::Sign(c.to_string())]).map(|sum| sum.to_string())
            }
            _ => match tokens_of(words) {
                // A number in a text is a number.
                Some(number) => Some(number),
                None => Some(spelt(&words.split_whitespace().collect::<String>())),
            },
        };
    }
    let letters = tokens.len() > 1
        && tokens.iter().all(|token| token.letter().is_some() || matches!(token, Token::Words(_)));
    letters.then(|| {
        let word: String = tokens.iter().map(|token| token.written().replace(' ', "")).collect();
        spelt(&word)
    })
}

/// A word without case. Two letters may be a product, which goes in any order.
fn spelt(word: &str) -> String {
    let word = word.to_lowercase();
    let letters: Vec<_> = word.chars().map(|c| Token::Sign(c.to_string())).collect();
    let product =
        sum(&letters).filter(|_| letters.len() == 2 && letters.iter().all(|c| c.letter().is_some()));
    product.map_or_else(|| format!("word {word}"), |product| product.to_string())
}

/// The canonical form of a number written in a text.
fn tokens_of(words: &str) -> Option<String> {
    let sum = sum(&tokens(words)?)?;
    sum.number().map(|_| sum.to_string())
}

/// `\begin{pmatrix} a & b \\ c & d \end{pmatrix}`.
fn matrix(tokens: &[Token], depth: usize) -> Option<String> {
    let (first, last) = (tokens.first()?, tokens.iter().rposition(|token| token.is("\\end"))?);
    let start = tokens.iter().position(|token| token.is("}"))? + 1;
    if !first.is("\\begin") || start > last || start < 3 {
        return None;
    }
    let rows: Vec<_> = parts(&tokens[start..last], &["\\\\"])
        .into_iter()
        .filter(|(_, row)| !row.is_empty())
        .map(|(_, row)| {
            let cells: Vec<_> =
                parts(row, &["&"]).into_iter().map(|(_, cell)| canonical(cell, depth + 1)).collect();
            cells.join("; ")
        })
        .collect();
    let name: String = tokens[2..start - 1].iter().map(Token::written).collect();
    let kind = match name.as_str() {
        "pmatrix" | "bmatrix" | "matrix" | "smallmatrix" => "matrix",
        other => other,
    };
    Some(format!("matrix as {kind} {}", rows.join(" / ")))
}

/// What stands in brackets, if one pair spans the whole.
fn enclosed<'a>(tokens: &'a [Token], opens: &[&str], closes: &[&str]) -> Option<&'a [Token]> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    if tokens.len() < 3
        || !opens.iter().any(|sign| first.is(sign))
        || !closes.iter().any(|sign| last.is(sign))
    {
        return None;
    }
    let mut depth = 0_i32;
    for token in &tokens[..tokens.len() - 1] {
        depth += nesting(token);
        if depth <= 0 {
            return None;
        }
    }
    (depth == 1).then(|| &tokens[1..tokens.len() - 1])
}

/// Parts between signs outside all brackets, each with the sign in front of it.
fn parts<'a>(tokens: &'a [Token], signs: &[&'a str]) -> Vec<(&'a str, &'a [Token])> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut before) = (0_i32, 0, "");
    for (at, token) in tokens.iter().enumerate() {
        depth += nesting(token);
        if depth == 0
            && let Some(sign) = signs.iter().find(|sign| token.is(sign))
        {
            parts.push((before, &tokens[start..at]));
            (start, before) = (at + 1, *sign);
        }
    }
    parts.push((before, &tokens[start..]));
    parts
}

fn nesting(token: &Token) -> i32 {
    if ["(", "[", "{", "\\{", "\\begin"].iter().any(|sign| token.is(sign)) {
        1
    } else if [")", "]", "}", "\\}", "\\end"].iter().any(|sign| token.is(sign)) {
        -1
    } else {
        0
    }
}
