//! TEXT → TOKENS: a formula in TeX or plain signs, with what says nothing about its value left out.
//!
//! 1. Spaces, sizes (`\left`, `\big`), styles and `$` go; `\dfrac`, `\tfrac`, `\cfrac` are `\frac`; signs of Unicode are their
//!    commands.
//! 2. Degrees, percent signs and currencies go: the question says in what it asks.
//! 3. Commas between thousands go: `10,000`, `10{,}000`, `10,\!000`; not inside brackets, where they part numbers.
//! 4. Words: `\text{…}`, `\mbox{…}` and the like behind a value are its unit and go, with the unit's exponent; so do plain words
//!    that are units. `and` and `or` are commas. Another text is a word.

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
const SILENT: [&str; 26] = [
    "$",
    "\\$",
    "\\(",
    "\\)",
    "\\[",
    "\\]",
    "\\,",
    "\\;",
    "\\:",
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
    tokens = without_spaces_after(&tokens, silent);
    tokens.retain(|token| !silent(token));
    tokens = joined_thousands(tokens);
    tokens = with_commas(tokens);
    drop_unit(&mut tokens);
    tokens.retain(|token| !token.is(" "));
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
                    "\\leq" => "\\le".to_owned(),
                    "\\geq" => "\\ge".to_owned(),
                    "\\neq" => "\\ne".to_owned(),
                    "\\ " | "\\quad" | "\\qquad" | "\\\t" | "\\\n" => " ".to_owned(),
                    _ => command,
                }
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

/// The unit behind a value left out.
fn drop_unit(tokens: &mut Vec<Token>) {
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
    // A text with nothing in front of it is the answer.
    if before(start) > 0 {
        tokens.truncate(start);
    }
}
