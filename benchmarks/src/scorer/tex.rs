//! TEXT → TOKENS: a formula in TeX or plain signs, with what says nothing about its value left out.
//!
//! 1. Other spaces, sizes (`\left`, `\big`), styles and `$` go; `\dfrac`, `\tfrac`, `\cfrac` are `\frac`; signs of Unicode are their
//!    commands.
//! 2. Degrees, percent signs and currencies go: the question says in what it asks.
//! 3. Commas between thousands go: `10,000`, `10{,}000`, `10,\!000`; not inside brackets, where they part numbers.
//! 4. Words: `\text{…}`, `\mbox{…}` and the like behind a value are its unit and go, with the unit's exponent; so do plain words
//!    that are units. Not so a text with a digit or a magnitude in it, or one that begins with a word like `or`, `not` or `is`.
//!    `and` and `or` are commas. Another text is a word.
//! 5. Spaces between digits: `10 000` is one number, `1 1/2` a mixed one. Another space between digits stays, and makes no number.

use super::unit::drop_unit;

/// Longest formula that is read, in bytes; a longer one is compared as it is written.
pub(super) const MAX_FORMULA: usize = 1000;

/// Commands whose braces hold words.
const WORDS: [&str; 11] = [
    "\\text",
    "\\mbox",
    "\\textbf",
    "\\textit",
    "\\textrm",
    "\\mathrm",
    "\\mathbf",
    "\\mathit",
    "\\hbox",
    "\\operatorname",
    "\\mathsf",
];
/// Commands and signs that say nothing about a value.
const SILENT: [&str; 23] = [
    "$",
    "\\$",
    "\\(",
    "\\)",
    "\\[",
    "\\]",
    "\\!",
    "\\left",
    "\\right",
    "\\big",
    "\\Big",
    "\\bigg",
    "\\Bigg",
    "\\displaystyle",
    "\\textstyle",
    "\\limits",
    "\\rm",
    "\\%",
    "%",
    "€",
    "£",
    "¥",
    "\\degree",
];
/// A character, a command, or a text in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// One character, or a command with its backslash.
    Sign(String),
    /// The words of `\text{…}` and the like.
    Words(String),
}

impl Token {
    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(own) if own == sign)
    }

    pub(super) fn letter(&self) -> Option<char> {
        match self {
            Self::Sign(sign) => sign.chars().next().filter(|c| c.is_alphabetic()),
            Self::Words(_) => None,
        }
    }

    pub(super) fn is_digit(&self) -> bool {
        matches!(self, Self::Sign(sign) if sign.len() == 1 && sign.as_bytes()[0].is_ascii_digit())
    }

    pub(super) fn written(&self) -> &str {
        let (Self::Sign(text) | Self::Words(text)) = self;
        text
    }
}

/// The tokens of a formula, as the rules above leave them; nothing where it is too long.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let text = text.trim();
    if text.len() > MAX_FORMULA {
        return None;
    }
    let mut tokens = without_degrees(words(&signs(text)));
    let silent = |token: &Token| matches!(token, Token::Sign(sign) if SILENT.contains(&sign.as_str()));
    // In `11,\\! 111` the space parts nothing.
    tokens = without_spaces_after(&tokens, |token| token.is("\\!"));
    tokens.retain(|token| !silent(token));
    tokens = joined_thousands(tokens);
    tokens = with_commas(tokens);
    drop_unit(&mut tokens);
    tokens = without_spaces(&tokens);
    while tokens.last().is_some_and(|token| token.is(".") || token.is(",")) {
        tokens.pop();
    }
    Some(tokens)
}

/// Characters and commands.
fn signs(text: &str) -> Vec<Token> {
    let mut signs = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let sign = match c {
            '\\' => {
                let mut command = String::from(c);
                while let Some(letter) = rest.next_if(char::is_ascii_alphabetic) {
                    command.push(letter);
                }
                if command.len() == 1 {
                    command.extend(rest.next());
                }
                match command.as_str() {
                    "\\dfrac" | "\\tfrac" | "\\cfrac" => "\\frac".to_owned(),
                    "\\cdot" | "\\times" => "*".to_owned(),
                    "\\div" => "/".to_owned(),
                    "\\lbrace" => "\\{".to_owned(),
                    "\\rbrace" => "\\}".to_owned(),
                    "\\leq" | "\\leqslant" => "\\le".to_owned(),
                    "\\geq" | "\\geqslant" => "\\ge".to_owned(),
                    "\\neq" => "\\ne".to_owned(),
                    "\\ " | "\\," | "\\;" | "\\:" | "\\quad" | "\\qquad" | "\\\t" | "\\\n" => " ".to_owned(),
                    _ => command,
                }
            }
            '²' | '³' | '½' | '¼' | '¾' | '⅓' | '⅔' => {
                signs.extend(spelt(c).iter().map(|&sign| Token::Sign(sign.to_owned())));
                continue;
            }
            '~' => " ".to_owned(),
            c if c.is_whitespace() => " ".to_owned(),
            '−' | '–' => "-".to_owned(),
            '×' | '·' => "*".to_owned(),
            '÷' => "/".to_owned(),
            'π' => "\\pi".to_owned(),
            '√' => "\\sqrt".to_owned(),
            '∞' => "\\infty".to_owned(),
            '≤' => "\\le".to_owned(),
            '≥' => "\\ge".to_owned(),
            '±' => "\\pm".to_owned(),
            '∪' => "\\cup".to_owned(),
            '∈' => "\\in".to_owned(),
            '°' => "\\degree".to_owned(),
            c => c.to_string(),
        };
        signs.push(Token::Sign(sign));
    }
    signs
}

/// A sign of Unicode that is several of TeX.
fn spelt(c: char) -> &'static [&'static str] {
    match c {
        '²' => &["^", "2"],
        '³' => &["^", "3"],
        '½' => &["\\frac", "1", "2"],
        '¼' => &["\\frac", "1", "4"],
        '¾' => &["\\frac", "3", "4"],
        '⅓' => &["\\frac", "1", "3"],
        _ => &["\\frac", "2", "3"],
    }
}

/// Groups of words as one token each.
fn words(signs: &[Token]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(token) = signs.get(at) {
        at += 1;
        let opened = WORDS.iter().any(|word| token.is(word));
        let Some(start) =
            (at..signs.len()).find(|&at| !signs[at].is(" ")).filter(|&at| opened && signs[at].is("{"))
        else {
            tokens.push(token.clone());
            continue;
        };
        let mut depth = 0_usize;
        let end = (start..signs.len()).find(|&at| {
            depth += usize::from(signs[at].is("{"));
            depth -= usize::from(signs[at].is("}"));
            depth == 0
        });
        let end = end.unwrap_or(signs.len());
        tokens.push(Token::Words(signs[start + 1..end].iter().map(Token::written).collect()));
        at = end + 1;
    }
    tokens
}

/// `^\circ` and `^{\circ}` left out.
fn without_degrees(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let degrees = [&["^", "\\circ"][..], &["^", "{", "\\circ", "}"]].into_iter().find(|form| {
            form.iter()
                .enumerate()
                .all(|(step, sign)| tokens.get(at + step).is_some_and(|token| token.is(sign)))
        });
        match degrees {
            Some(form) => at += form.len(),
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// Spaces behind silent signs left out: in `11,\! 111` they part nothing.
fn without_spaces_after(tokens: &[Token], silent: impl Fn(&Token) -> bool) -> Vec<Token> {
    let mut after = false;
    let mut kept = Vec::new();
    for token in tokens {
        if token.is(" ") && after {
            continue;
        }
        after = silent(token);
        kept.push(token.clone());
    }
    kept
}

/// Numbers without the commas between their thousands.
fn joined_thousands(mut tokens: Vec<Token>) -> Vec<Token> {
    // `{,}` is a comma that TeX sets no space behind.
    while let Some(at) =
        tokens.windows(3).position(|three| three[0].is("{") && three[1].is(",") && three[2].is("}"))
    {
        tokens.drain(at..at + 3);
        tokens.insert(at, Token::Sign(",".to_owned()));
    }
    let mut kept = Vec::with_capacity(tokens.len());
    let mut depth = 0_i32;
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        depth += i32::from(["(", "[", "\\{"].iter().any(|open| token.is(open)));
        depth -= i32::from([")", "]", "\\}"].iter().any(|close| token.is(close)));
        let digits = |from: usize| {
            tokens[from.min(tokens.len())..].iter().take_while(|token| token.is_digit()).count()
        };
        let first = digits(at);
        if first == 0 {
            kept.push(token.clone());
            at += 1;
            continue;
        }
        let mut end = at + first;
        while tokens.get(end).is_some_and(|token| token.is(",")) && digits(end + 1) == 3 {
            end += 4;
        }
        // Groups that do not fit part numbers: `1,234,5`, `1000,000`, `3,5`.
        let whole = !tokens
            .get(end)
            .is_some_and(|token| token.is(",") && tokens.get(end + 1).is_some_and(Token::is_digit));
        let joins = first <= 3 && depth == 0 && whole;
        kept.extend(tokens[at..end].iter().filter(|token| !(joins && token.is(","))).cloned());
        at = end;
    }
    kept
}

/// `and` and `or` as commas.
fn with_commas(tokens: Vec<Token>) -> Vec<Token> {
    let link = |words: &str| matches!(words.trim().trim_start_matches(',').trim(), "and" | "or");
    let mut kept: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let plain = ["and", "or"].into_iter().find(|word| {
            let end = at + 1 + word.len();
            tokens[at].is(" ")
                && tokens.get(end).is_some_and(|token| token.is(" "))
                && tokens[at + 1..end].iter().map(Token::written).collect::<String>() == *word
        });
        let comma = match (&tokens[at], plain) {
            (Token::Words(words), _) if link(words) => 1,
            (_, Some(word)) => word.len() + 2,
            _ => {
                kept.push(tokens[at].clone());
                at += 1;
                continue;
            }
        };
        while kept.last().is_some_and(|token| token.is(" ") || token.is(",")) {
            kept.pop();
        }
        kept.push(Token::Sign(",".to_owned()));
        at += comma;
    }
    kept
}

/// Spaces left out, but for those between digits that are neither groups of three nor a mixed number.
fn without_spaces(tokens: &[Token]) -> Vec<Token> {
    let numeric = |token: Option<&Token>| token.is_some_and(|token| token.is_digit() || token.is("."));
    let shown = |from: usize| (from..tokens.len()).find(|&at| !tokens[at].is(" ")).unwrap_or(tokens.len());
    let mut kept: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let next = shown(at);
        if next > at {
            if numeric(kept.last()) && numeric(tokens.get(next)) {
                kept.push(tokens[at].clone());
            }
            at = next;
        } else if tokens[at].is_digit()
            && !kept.last().is_some_and(|last| last.is("/") || numeric(Some(last)))
        {
            at = read_spaced(tokens, at, &mut kept);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Digits from a place on, without spaces where they are one number; where they end.
fn read_spaced(tokens: &[Token], at: usize, kept: &mut Vec<Token>) -> usize {
    let digits = |from: usize| tokens[from..].iter().take_while(|token| token.is_digit()).count();
    let shown = |from: usize| (from..tokens.len()).find(|&at| !tokens[at].is(" ")).unwrap_or(tokens.len());
    let first = digits(at);
    let mut end = at + first;
    if kept.last().is_some_and(|last| last.is("\\frac")) && first == 1 {
        // `\frac 1 2`.
        kept.push(tokens[at].clone());
        return shown(end);
    }
    let mut groups = 0_usize;
    while shown(end) > end && digits(shown(end)) == 3 {
        end = shown(end) + 3;
        groups += 1;
    }
    let next = shown(end);
    if groups > 0 && first <= 3 && !tokens[at].is("0") && (next == end || digits(next) == 0) {
        kept.extend(tokens[at..end].iter().filter(|token| !token.is(" ")).cloned());
        return end;
    }
    // `1 1/2`.
    let end = at + first;
    let top = shown(end);
    let line = top + digits(top);
    let bottom = (line + 1).min(tokens.len());
    let behind = bottom + digits(bottom);
    let value = |part: &[Token]| {
        part.iter().map(Token::written).collect::<String>().parse::<u32>().unwrap_or_default()
    };
    let proper = 0 < value(&tokens[top..line]) && value(&tokens[top..line]) < value(&tokens[bottom..behind]);
    if top > end && proper && tokens[line].is("/") && !tokens.get(behind).is_some_and(|token| token.is(".")) {
        let sign = |sign: &str| Token::Sign(sign.to_owned());
        kept.extend_from_slice(&tokens[at..end]);
        kept.extend([sign("\\frac"), sign("{")]);
        kept.extend_from_slice(&tokens[top..line]);
        kept.extend([sign("}"), sign("{")]);
        kept.extend_from_slice(&tokens[bottom..behind]);
        kept.push(sign("}"));
        return behind;
    }
    kept.extend_from_slice(&tokens[at..end]);
    end
}
