//! Numbers as they are written: exact fractions, never floating point.

/// Most digits of a number that is read; longer ones are compared as they are written.
const MAX_DIGITS: usize = 30;
/// Largest exponent that is worked out: 2^100 fits, and what is larger does not fit anyway.
const MAX_POWER: i64 = 100;

/// A fraction in lowest terms; the sign is the numerator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rational {
    top: i128,
    bottom: i128,
}

impl Rational {
    pub(super) const ONE: Self = Self { top: 1, bottom: 1 };

    /// `top / bottom`; nothing where that is no number or does not fit.
    pub(super) fn new(top: i128, bottom: i128) -> Option<Self> {
        if bottom == 0 {
            return None;
        }
        let common = common(top.checked_abs()?, bottom.checked_abs()?).max(1);
        let sign = bottom.signum();
        Some(Self { top: (top / common).checked_mul(sign)?, bottom: (bottom / common).checked_mul(sign)? })
    }

    pub(super) fn whole(value: i128) -> Self {
        Self { top: value, bottom: 1 }
    }

    /// Digits with at most one point among them, in front of them or behind them.
    pub(super) fn decimal(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{part}");
        if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        Self::new(digits.parse().ok()?, 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?)
    }

    pub(super) fn is_zero(self) -> bool {
        self.top == 0
    }

    /// The number, where it is a whole one.
    pub(super) fn as_whole(self) -> Option<i128> {
        (self.bottom == 1).then_some(self.top)
    }

    pub(super) fn parts(self) -> (i128, i128) {
        (self.top, self.bottom)
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let left = self.top.checked_mul(other.bottom)?;
        let right = other.top.checked_mul(self.bottom)?;
        Self::new(left.checked_add(right)?, self.bottom.checked_mul(other.bottom)?)
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        Self::new(self.top.checked_mul(other.top)?, self.bottom.checked_mul(other.bottom)?)
    }

    pub(super) fn inverse(self) -> Option<Self> {
        Self::new(self.bottom, self.top)
    }

    pub(super) fn negative(self) -> Option<Self> {
        Some(Self { top: self.top.checked_neg()?, bottom: self.bottom })
    }

    pub(super) fn power(self, exponent: i64) -> Option<Self> {
        if exponent.abs() > MAX_POWER {
            return None;
        }
        let base = if exponent < 0 { self.inverse()? } else { self };
        (0..exponent.abs()).try_fold(Self::ONE, |product, _| product.times(base))
    }
}

impl std::fmt::Display for Rational {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.top, self.bottom)
    }
}

fn common(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_exact() {
        let number = |text| Rational::decimal(text).unwrap();
        assert_eq!(number("0.5"), Rational::new(-1, -2).unwrap());
        assert_eq!(number(".35625"), Rational::new(57, 160).unwrap());
        assert_eq!(number("5."), Rational::whole(5));
        assert_eq!(number("0.1").plus(number("0.2")), Some(number("0.3")));
        assert_eq!(number("10").power(-2), Some(number("0.01")));
        assert_eq!(number("2").power(100).unwrap().as_whole(), Some(1 << 100));
        for text in ["", ".", "1.2.3", "1e5", "-1", "9999999999999999999999999999999"] {
            assert_eq!(Rational::decimal(text), None, "{text}");
        }
        assert_eq!(Rational::new(1, 0), None);
        assert_eq!(Rational::new(i128::MIN, -1), None);
        assert_eq!(Rational::whole(0).inverse(), None);
        assert_eq!(Rational::whole(i128::MAX).plus(Rational::ONE), None);
        assert_eq!(Rational::whole(10).power(99), None);
    }
}
