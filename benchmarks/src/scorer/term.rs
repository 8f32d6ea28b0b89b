//! TOKENS → SUM: a formula as terms with exact factors, in one order, so that two of one value are one text.
//!
//! A term is a fraction, a square root of a whole number, and factors with whole exponents. What is worked out: fractions, decimals, mixed
//! numbers, powers of numbers, square roots without square factors under them and none below a fraction's line, like terms, and
//! a fraction's line under a sum. What is not: products of sums, so that a factored form is not the same as an expanded one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::rational::Rational;
use super::tex::Token;

/// How deep brackets, fractions and roots may stand in one another; far beyond any answer, far from the end of the stack.
const MAX_DEPTH: usize = 24;
/// Largest number under a root that is searched for square factors, by trial up to its square root.
const MAX_RADICAND: i128 = 1_000_000;
/// Largest exponent of a term that is multiplied out.
const MAX_REPEATS: i64 = 16;

/// Fraction times root times factors.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    number: Rational,
    /// Under the square root; without square factors.
    radicand: i128,
    factors: BTreeMap<String, i64>,
}

/// Terms by what they are without their fraction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    terms: BTreeMap<(String, i128), Term>,
}

/// The sum that tokens say; nothing for what is no sum of terms, or too deep or too large to be worked out.
pub(super) fn sum(tokens: &[Token]) -> Option<Sum> {
    let mut reader = Reader { tokens, at: 0 };
    let sum = reader.sum(0)?;
    (reader.at == tokens.len()).then_some(sum)
}

impl Term {
    fn number(number: Rational) -> Self {
        Self { number, radicand: 1, factors: BTreeMap::new() }
    }

    fn factor(name: String) -> Self {
        Self { factors: BTreeMap::from([(name, 1)]), ..Self::number(Rational::ONE) }
    }

    /// A square root.
    fn root(radicand: Rational) -> Option<Self> {
        let (top, bottom) = radicand.parts();
        // The root of a/b is that of ab over b.
        let mut rest = top.checked_mul(bottom)?;
        if !(1..=MAX_RADICAND).contains(&rest) {
            return (rest == 0).then(|| Self::number(radicand));
        }
        let mut outside = 1_i128;
        let mut divisor = 2_i128;
        while divisor * divisor <= rest {
            while rest % (divisor * divisor) == 0 {
                rest /= divisor * divisor;
                outside *= divisor;
            }
            divisor += 1;
        }
        Some(Self { number: Rational::new(outside, bottom)?, radicand: rest, factors: BTreeMap::new() })
    }

    fn times(&self, other: &Self) -> Option<Self> {
        let root = Self::root(Rational::whole(self.radicand.checked_mul(other.radicand)?))?;
        let mut factors = self.factors.clone();
        for (name, exponent) in &other.factors {
            let sum = factors.entry(name.clone()).or_insert(0);
            *sum = sum.checked_add(*exponent)?;
        }
        factors.retain(|_, exponent| *exponent != 0);
        Some(Self {
            number: self.number.times(other.number)?.times(root.number)?,
            radicand: root.radicand,
            factors,
        })
    }

    fn inverse(&self) -> Option<Self> {
        // One over a root is the root over its number.
        let number = self.number.times(Rational::whole(self.radicand))?.inverse()?;
        let factors =
            self.factors.iter().map(|(name, exponent)| Some((name.clone(), exponent.checked_neg()?)));
        Some(Self { number, radicand: self.radicand, factors: factors.collect::<Option<_>>()? })
    }

    fn power(&self, exponent: i64) -> Option<Self> {
        if self.radicand == 1 && self.factors.is_empty() {
            return Some(Self::number(self.number.power(exponent)?));
        }
        if self.radicand == 1 && self.number == Rational::ONE {
            let factors =
                self.factors.iter().map(|(name, own)| Some((name.clone(), own.checked_mul(exponent)?)));
            let factors: Option<BTreeMap<_, _>> = factors.filter(|_| exponent != 0).collect();
            return Some(Self { factors: factors?, ..self.clone() });
        }
        if exponent.abs() > MAX_REPEATS {
            return None;
        }
        let base = if exponent < 0 { self.inverse()? } else { self.clone() };
        (0..exponent.abs()).try_fold(Self::number(Rational::ONE), |product, _| product.times(&base))
    }

    fn key(&self) -> (String, i128) {
        let mut name = String::new();
        for (factor, exponent) in &self.factors {
            let _ = write!(name, "{factor}^{exponent} ");
        }
        (name, self.radicand)
    }
}

impl Sum {
    fn of(term: Term) -> Self {
        let mut sum = Self::default();
        if !term.number.is_zero() {
            sum.terms.insert(term.key(), term);
        }
        sum
    }

    /// The one number that this is.
    pub(super) fn number(&self) -> Option<Rational> {
        match self.terms.values().next() {
            None => Some(Rational::whole(0)),
            Some(term) => (self.terms.len() == 1 && term.radicand == 1 && term.factors.is_empty())
                .then_some(term.number),
        }
    }

    fn plus(mut self, other: Self) -> Option<Self> {
        for (key, term) in other.terms {
            let number = match self.terms.get(&key) {
                Some(own) => own.number.plus(term.number)?,
                None => term.number,
            };
            if number.is_zero() {
                self.terms.remove(&key);
            } else {
                self.terms.insert(key, Term { number, ..term });
            }
        }
        Some(self)
    }

    fn negative(self) -> Option<Self> {
        let terms = self.terms.into_iter().map(|(key, term)| {
            let number = term.number.negative()?;
            Some((key, Term { number, ..term }))
        });
        Some(Self { terms: terms.collect::<Option<_>>()? })
    }

    /// As one term: several in brackets.
    fn term(&self) -> Term {
        let mut terms = self.terms.values();
        match (terms.next(), terms.next()) {
            (None, _) => Term::number(Rational::whole(0)),
            (Some(term), None) => term.clone(),
            _ => Term::factor(format!("({self})")),
        }
    }

    fn over(&self, below: &Self) -> Option<Self> {
        let inverse = below.term().inverse()?;
        if self.terms.len() < 2 || below.number().is_none() {
            return Some(Self::of(self.term().times(&inverse)?));
        }
        self.terms.values().try_fold(Self::default(), |sum, term| sum.plus(Self::of(term.times(&inverse)?)))
    }

    fn power(&self, exponent: &Self) -> Option<Self> {
        let whole =
            exponent.number().and_then(Rational::as_whole).and_then(|value| i64::try_from(value).ok());
        if let Some(term) = whole.and_then(|whole| self.term().power(whole)) {
            return Some(Self::of(term));
        }
        Some(Self::of(Term::factor(format!("({self})^({exponent})"))))
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("0/1");
        }
        for (place, ((name, radicand), term)) in self.terms.iter().enumerate() {
            write!(f, "{}{}", if place == 0 { "" } else { " + " }, term.number)?;
            if *radicand != 1 {
                write!(f, " root {radicand}")?;
            }
            if !name.is_empty() {
                write!(f, " {}", name.trim_end())?;
            }
        }
        Ok(())
    }
}

/// Reads tokens from the left.
struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self, sign: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is(sign))
    }

    fn take(&mut self, sign: &str) -> bool {
        let here = self.peek(sign);
        self.at += usize::from(here);
        here
    }

    fn sum(&mut self, depth: usize) -> Option<Sum> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut sum = Sum::default();
        let mut first = true;
        loop {
            let negative = self.take("-");
            if !negative && !self.take("+") && !first {
                return Some(sum);
            }
            let product = self.product(depth)?;
            sum = sum.plus(if negative { product.negative()? } else { product })?;
            first = false;
        }
    }

    fn product(&mut self, depth: usize) -> Option<Sum> {
        let mut product = self.factor(depth)?;
        loop {
            if self.take("*") {
                let factor = self.factor(depth)?;
                product = Sum::of(product.term().times(&factor.term())?);
            } else if self.take("/") {
                let below = self.factor(depth)?;
                product = product.over(&below)?;
            } else if self.starts_factor() {
                let factor = self.factor(depth)?;
                product = Sum::of(product.term().times(&factor.term())?);
            } else {
                return Some(product);
            }
        }
    }

    fn starts_factor(&self) -> bool {
        let Some(token) = self.tokens.get(self.at) else { return false };
        token.is_digit()
            || token.letter().is_some()
            || matches!(token, Token::Words(_))
            || ["(", "{", "[", "."].iter().any(|sign| token.is(sign))
            || matches!(token, Token::Sign(sign) if is_symbol(sign))
    }

    fn factor(&mut self, depth: usize) -> Option<Sum> {
        if self.take("-") {
            // `2 * -3`, `x^-1`.
            return if depth < MAX_DEPTH { self.factor(depth + 1)?.negative() } else { None };
        }
        let base = self.base(depth)?;
        if self.take("^") {
            let exponent = self.group(depth)?;
            return base.power(&exponent);
        }
        Some(base)
    }

    fn base(&mut self, depth: usize) -> Option<Sum> {
        let token = self.tokens.get(self.at)?.clone();
        if token.is_digit() || token.is(".") {
            return self.number(depth);
        }
        self.at += 1;
        let Token::Sign(sign) = &token else {
            return self.named(token.written().trim().to_lowercase(), depth);
        };
        match sign.as_str() {
            "(" => self.closed(")", depth),
            "[" => self.closed("]", depth),
            "{" => self.closed("}", depth),
            "\\frac" => {
                let above = self.group(depth)?;
                let below = self.group(depth)?;
                above.over(&below)
            }
            "\\sqrt" => {
                let index = if self.take("[") { Some(self.closed("]", depth)?) } else { None };
                let inner = self.group(depth)?;
                let root = index.is_none().then(|| inner.number()).flatten().and_then(Term::root);
                let name = || match &index {
                    Some(index) => format!("root[{index}]({inner})"),
                    None => format!("root({inner})"),
                };
                Some(Sum::of(root.unwrap_or_else(|| Term::factor(name()))))
            }
            sign if is_symbol(sign) || token.letter().is_some() => self.named(sign.to_owned(), depth),
            _ => None,
        }
    }

    /// Up to a closing bracket, which is there.
    fn closed(&mut self, close: &str, depth: usize) -> Option<Sum> {
        let sum = self.sum(depth + 1)?;
        self.take(close).then_some(sum)
    }

    /// What a command takes: braces, or one sign.
    fn group(&mut self, depth: usize) -> Option<Sum> {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.take("{") {
            return self.closed("}", depth);
        }
        let negative = self.take("-");
        let token = self.tokens.get(self.at)?.clone();
        let sum = if token.is_digit() {
            self.at += 1;
            Sum::of(Term::number(Rational::decimal(token.written())?))
        } else {
            self.base(depth + 1)?
        };
        if negative { sum.negative() } else { Some(sum) }
    }

    /// Digits; with a base below, but for ten, or with a fraction behind, which makes a mixed number.
    fn number(&mut self, depth: usize) -> Option<Sum> {
        let start = self.at;
        while self.tokens.get(self.at).is_some_and(|token| token.is_digit() || token.is(".")) {
            self.at += 1;
        }
        let digits: String = self.tokens[start..self.at].iter().map(Token::written).collect();
        if self.peek("_") {
            let Some((10, end)) = self.whole(self.at + 1) else { return self.named(digits, depth) };
            // The base that is meant where none is named.
            self.at = end;
        }
        let number = Rational::decimal(&digits)?;
        if number.as_whole().is_some()
            && self.peek("\\frac")
            && let Some((top, at)) = self.whole(self.at + 1)
            && let Some((bottom, at)) = self.whole(at)
            && 0 < top
            && top < bottom
        {
            self.at = at;
            return Some(Sum::of(Term::number(number.plus(Rational::new(top, bottom)?)?)));
        }
        Some(Sum::of(Term::number(number)))
    }

    /// A whole number as a command takes it, and where it ends. Looked at, not read: what is read twice at each of many depths
    /// takes for ever.
    fn whole(&self, at: usize) -> Option<(i128, usize)> {
        let token = self.tokens.get(at)?;
        if token.is_digit() {
            return Some((token.written().parse().ok()?, at + 1));
        }
        let inner = self.tokens.get(at + 1..).filter(|_| token.is("{"))?;
        let digits: String = inner.iter().take_while(|token| token.is_digit()).map(Token::written).collect();
        let end = at + 1 + digits.len();
        let number = Rational::decimal(&digits)?.as_whole()?;
        self.tokens.get(end)?.is("}").then_some((number, end + 1))
    }

    /// A name with what stands below it.
    fn named(&mut self, mut name: String, depth: usize) -> Option<Sum> {
        while self.take("_") {
            let below = self.group(depth)?;
            let _ = write!(name, "_({below})");
        }
        while self.take("'") || self.take("!") {
            name.push_str(self.tokens[self.at - 1].written());
        }
        Some(Sum::of(Term::factor(name)))
    }
}

/// Commands that stand for something by themselves.
fn is_symbol(sign: &str) -> bool {
    let structure = [
        "\\pm", "\\mp", "\\cup", "\\cap", "\\in", "\\le", "\\ge", "\\ne", "\\begin", "\\end", "\\approx",
        "\\equiv",
    ];
    sign.len() > 2 && sign.starts_with('\\') && !structure.contains(&sign)
}
