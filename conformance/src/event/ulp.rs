//! How far numeric answers are from what the oracle makes of the same request.

use serde::{Deserialize, Serialize};

/// Buckets of a histogram: exact, then up to 1, 2, 4, … 65,536 units, then more. An answer that is further off has no
/// digit of single precision left that a bucket of its own would tell anything about.
pub const ULP_BUCKETS: usize = 19;

/// How far the numbers of one operation are from the oracle's, in units in the last place (ULP) of the element type that
/// they are answered in.
///
/// A unit is that of the largest number of the row: sums that nearly cancel are as exact as their largest term allows, and
/// a unit of what is left of them would say nothing. The oracle computes in double precision and hands its numbers on in
/// single precision, so that half a unit of an `f32` is its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UlpErrors {
    /// Operation.
    pub op: String,
    /// Element type; `f64` answers are measured in units of `f32`.
    pub dtype: String,
    /// How many numbers: `buckets[0]` are exact, `buckets[n]` are at most `2^(n-1)` units off and more than those before;
    /// the last of [`ULP_BUCKETS`] are off by more. Zeros at the end are left out.
    pub buckets: Vec<u64>,
    /// Numbers that are NaN or infinite where the oracle's are not.
    pub not_finite: u64,
    /// The largest error that is a number.
    pub worst: f64,
    /// The case that it is from.
    pub worst_case: String,
}

impl UlpErrors {
    /// Nothing measured yet.
    pub fn new(op: &str, dtype: &str) -> Self {
        Self { op: op.to_owned(), dtype: dtype.to_owned(), ..Self::default() }
    }

    /// Counts one number: how many units it is off, where that can be said.
    pub fn count(&mut self, units: f64, case: &str) {
        if !units.is_finite() {
            self.not_finite += 1;
            return;
        }
        let bucket = (0..ULP_BUCKETS - 1).find(|bucket| units <= upper(*bucket)).unwrap_or(ULP_BUCKETS - 1);
        self.put(bucket, 1);
        self.meet(units, case);
    }

    /// Adds what was counted elsewhere. The order in which parts are added makes no difference.
    pub fn add(&mut self, other: &Self) {
        for (bucket, count) in other.buckets.iter().enumerate().take(ULP_BUCKETS) {
            self.put(bucket, *count);
        }
        self.not_finite += other.not_finite;
        if !other.worst_case.is_empty() {
            self.meet(other.worst, &other.worst_case);
        }
    }

    /// How many numbers were measured.
    pub fn total(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.not_finite
    }

    /// The least border of a bucket, in units, that so great a part of the numbers lies within; `None` when even the
    /// last one does not hold them, as where they are not finite.
    pub fn within(&self, part: f64) -> Option<f64> {
        let needed = (self.total() as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate().take(ULP_BUCKETS - 1) {
            seen += count;
            if seen >= needed {
                return Some(upper(bucket));
            }
        }
        None
    }

    fn put(&mut self, bucket: usize, count: u64) {
        if count > 0 {
            if self.buckets.len() <= bucket {
                self.buckets.resize(bucket + 1, 0);
            }
            self.buckets[bucket] += count;
        }
    }

    fn meet(&mut self, units: f64, case: &str) {
        let further = units > self.worst || self.worst_case.is_empty();
        if further || units == self.worst && case < self.worst_case.as_str() {
            self.worst = units;
            case.clone_into(&mut self.worst_case);
        }
    }
}

/// Adds errors to those of the same operation and type, in the order of their names.
pub fn add_errors(all: &mut Vec<UlpErrors>, more: &[UlpErrors]) {
    for errors in more {
        let key = (&errors.op, &errors.dtype);
        match all.binary_search_by(|known| (&known.op, &known.dtype).cmp(&key)) {
            Ok(at) => all[at].add(errors),
            Err(at) => all.insert(at, errors.clone()),
        }
    }
}

/// The greatest error of a bucket.
fn upper(bucket: usize) -> f64 {
    match bucket {
        0 => 0.0,
        bucket => 2f64.powi(bucket as i32 - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_fall_into_their_buckets() {
        let mut errors = UlpErrors::new("normalize", "f32");
        for (units, case) in
            [(0.0, "a"), (0.5, "a"), (1.0, "b"), (1.5, "b"), (70_000.0, "c"), (f64::NAN, "d")]
        {
            errors.count(units, case);
        }
        assert_eq!(errors.buckets[..3], [1, 2, 1]);
        assert_eq!((errors.buckets.len(), errors.buckets[ULP_BUCKETS - 1]), (ULP_BUCKETS, 1));
        assert_eq!((errors.not_finite, errors.worst, errors.worst_case.as_str()), (1, 70_000.0, "c"));
        assert_eq!(errors.total(), 6);
        assert_eq!(
            (errors.within(0.5), errors.within(0.6), errors.within(1.0)),
            (Some(1.0), Some(2.0), None)
        );
    }

    #[test]
    fn parts_add_up_in_any_order() {
        let part = |op: &str, units: f64, case: &str| {
            let mut errors = UlpErrors::new(op, "f32");
            errors.count(units, case);
            errors
        };
        let parts =
            [part("b", 3.0, "y"), part("a", 1.0, "x"), part("b", 3.0, "x"), part("b", f64::INFINITY, "z")];
        let sum = |order: [usize; 4]| {
            let mut all = Vec::new();
            order.iter().for_each(|&at| add_errors(&mut all, std::slice::from_ref(&parts[at])));
            all
        };
        let all = sum([0, 1, 2, 3]);
        assert_eq!(all, sum([3, 2, 1, 0]));
        assert_eq!(all.iter().map(|errors| errors.op.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((all[1].worst_case.as_str(), all[1].not_finite, all[1].total()), ("x", 1, 3));
    }
}
