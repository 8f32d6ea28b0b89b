//! How far numeric answers are off, in units in the last place, whatever the verdict on them is.

use serde_json::Value;

use super::Observed;
use super::tensor::dtype_of;
use crate::adapter::Blob;
use crate::case::{Case, CloseTensor, Dtype, Expect, PartContent, Step};
use crate::event::UlpErrors;
use crate::event::add_errors;
use crate::oracle::Matrix;

/// Size of the terms that scalar answers are sums of: ratios, cosines and entropies, which are zero where such terms cancel
/// or are left out. A unit of that zero would be the least number that there is.
const TERM: f64 = 1.0;

/// Beyond such a part of a scalar, what is allowed around it makes it a range.
const RANGE: f64 = 1e-4;

/// How far the numbers of the answers are from the oracle's, by operation and element type.
pub fn errors(case: &Case, observed: &[Observed]) -> Vec<UlpErrors> {
    let mut all = Vec::new();
    let key = case.key();
    for (step, seen) in case.steps.iter().zip(observed) {
        let found = match (&step.expect, &seen.reply) {
            (_, super::Reply::Answered(answer)) => of_expectation(step, &step.expect, answer, &key),
            _ => None,
        };
        add_errors(&mut all, &found.into_iter().collect::<Vec<_>>());
    }
    all
}

fn of_expectation(
    step: &Step,
    expect: &Expect,
    answer: &crate::adapter::Answer,
    key: &str,
) -> Option<UlpErrors> {
    let crate::adapter::Answer::Ok { ok, parts: answered } = answer else { return None };
    match expect {
        // Whichever is meant: the one that is nearer.
        Expect::Either(alternatives) => alternatives
            .iter()
            .filter_map(|(_, expect)| of_expectation(step, expect, answer, key))
            .min_by(|a, b| {
                (a.not_finite, a.worst)
                    .partial_cmp(&(b.not_finite, b.worst))
                    .unwrap_or(std::cmp::Ordering::Equal)
            }),
        Expect::Ok { ok: expected, parts, .. } => {
            let named = |name: &str| answered.iter().find(|blob| blob.name == name);
            for part in parts {
                let Some(blob) = named(&part.name) else { continue };
                match &part.content {
                    PartContent::Close(close) if close.through.is_none() => {
                        return of_tensor(step, close, blob, key);
                    }
                    PartContent::Bytes(bytes) if step.op == "encode_tensor" => {
                        return of_conversion(step, bytes, &blob.bytes, key);
                    }
                    _ => {}
                }
            }
            let (name, wanted) =
                expected.iter().find_map(|(name, value)| Some((name, exact(value.get("$close")?)?)))?;
            let actual = ok.get(name).and_then(Value::as_f64)?;
            let mut errors = UlpErrors::new(&step.op, Dtype::F32.as_str());
            errors.count((actual - wanted).abs() / unit(wanted.abs().max(TERM), Dtype::F32), key);
            Some(errors)
        }
        _ => None,
    }
}

/// The number that is meant by `$close`, unless so much is allowed around it that it is a range: of seconds, say, which are
/// others each time.
fn exact(close: &Value) -> Option<f64> {
    let number = |name: &str| close.get(name).and_then(Value::as_f64);
    let wanted = number("value")?;
    let size = wanted.abs().max(TERM);
    let allowed = number("abs").unwrap_or_default().max(number("rel").unwrap_or_default() * wanted.abs());
    (allowed <= RANGE * size).then_some(wanted)
}

fn of_tensor(step: &Step, close: &CloseTensor, blob: &Blob, key: &str) -> Option<UlpErrors> {
    let dtype = dtype_of(blob)?;
    let wanted = Matrix::of_bytes(Dtype::F32, &close.shape, &close.values)?;
    let actual = Matrix::of_bytes(dtype, &close.shape, &blob.bytes)?;
    let mut errors = UlpErrors::new(&step.op, dtype.as_str());
    for (wanted, actual) in wanted.each_row().zip(actual.each_row()) {
        let unit = unit(wanted.iter().fold(0.0, |most: f64, value| most.max(value.abs())), dtype);
        for (wanted, actual) in wanted.iter().zip(actual) {
            errors.count((actual - wanted).abs() / unit, key);
        }
    }
    Some(errors)
}

/// Numbers that were rounded to 16 bits: each against its own unit.
fn of_conversion(step: &Step, wanted: &[u8], actual: &[u8], key: &str) -> Option<UlpErrors> {
    let dtype = match step.args.get("dtype").and_then(Value::as_str)? {
        "FLOAT16" => Dtype::F16,
        "BFLOAT16" => Dtype::Bf16,
        _ => return None,
    };
    let read = |bytes: &[u8]| Matrix::of_bytes(dtype, &[(bytes.len() / 2) as u64], bytes);
    let (wanted, actual) = (read(wanted)?, read(actual)?);
    let mut errors = UlpErrors::new(&step.op, dtype.as_str());
    // What is to become NaN or infinite is a question of its own, which the bytes answer.
    for (wanted, actual) in wanted.values.iter().zip(&actual.values).filter(|(wanted, _)| wanted.is_finite())
    {
        errors.count((actual - wanted).abs() / unit(wanted.abs(), dtype), key);
    }
    Some(errors)
}

/// One unit in the last place of a number of that size and type; of the smallest there is, where the number is smaller.
fn unit(size: f64, dtype: Dtype) -> f64 {
    let (digits, least) = match dtype {
        Dtype::F16 => (10, -24),
        Dtype::Bf16 => (7, -133),
        _ => (23, -149),
    };
    let exponent =
        if size > 0.0 && size.is_finite() { size.log2().floor() as i32 } else { i32::MIN + digits };
    2f64.powi((exponent - digits).max(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_no_number_to_be_near_to() {
        use serde_json::json;
        assert_eq!(exact(&json!({"value": 0, "abs": 1e-4})), Some(0.0));
        assert_eq!(exact(&json!({"value": 100, "rel": 1e-4})), Some(100.0));
        assert_eq!(exact(&json!({"value": 1.0, "abs": 1.0})), None);
        assert_eq!(exact(&json!({"value": 1_000_512, "abs": 500})), None);
        assert_eq!(exact(&json!({"value": 4_128_768, "rel": 0.03})), None);
    }

    #[test]
    fn units_are_those_of_the_type() {
        assert_eq!(unit(1.0, Dtype::F32), f64::from(f32::EPSILON));
        assert_eq!(unit(1.99, Dtype::F32), f64::from(f32::EPSILON));
        assert_eq!(unit(4096.0, Dtype::F16), 4.0);
        assert_eq!(unit(1.0, Dtype::Bf16), 2f64.powi(-7));
        assert_eq!(unit(0.0, Dtype::F32), 2f64.powi(-149));
        assert_eq!(unit(0.0, Dtype::F16), 2f64.powi(-24));
    }
}
