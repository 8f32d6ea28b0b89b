//! Tensors against expected tensors, within a tolerance.

use serde_json::{Map, Value, json};

use crate::adapter::Blob;
use crate::case::{CloseTensor, Dtype, Within};
use crate::oracle::{Matrix, dot, length};

/// Values of a row that are shown.
const SHOWN: usize = 6;

/// Most that may come where zeros are expected: rounding of numbers around 1 is far above, nothing is.
const NOTHING: f64 = 1e-12;

/// How an answered tensor misses an expected one: what was expected, what is there, and one sentence.
pub(super) type Miss = (Value, Value, String);

/// The element type of an answered tensor; `None` when numbers are not answered in it.
pub(super) fn dtype_of(blob: &Blob) -> Option<Dtype> {
    match blob.dtype.as_deref() {
        None | Some("f32") => Some(Dtype::F32),
        Some("f64") => Some(Dtype::F64),
        Some("f16") => Some(Dtype::F16),
        Some("bf16") => Some(Dtype::Bf16),
        Some(_) => None,
    }
}

/// What is near to an answered tensor; `None` when it is no tensor of finite numbers.
pub(super) fn close_to(blob: &Blob, within: Within) -> Option<CloseTensor> {
    let dtype = dtype_of(blob)?;
    let shape = blob.shape.clone()?;
    let values = Matrix::of_bytes(dtype, &shape, &blob.bytes)?;
    let finite = values.values.iter().all(|value| value.is_finite());
    finite.then(|| CloseTensor { shape, values: values.to_f32_bytes().into(), through: None, within })
}

/// Compares an answered tensor; `None` when it is near enough.
pub(super) fn compare(expected: &CloseTensor, blob: &Blob) -> Option<Miss> {
    let miss = |actual: Value, note: String| Some((described(expected), actual, note));
    let Some(dtype) = dtype_of(blob) else {
        let note = "an element type that numbers are not answered in".to_owned();
        return miss(json!(blob.dtype), note);
    };
    if let Some(shape) = &blob.shape
        && *shape != expected.shape
    {
        return miss(json!({"shape": shape}), "another shape".to_owned());
    }
    let Some(actual) = Matrix::of_bytes(dtype, &expected.shape, &blob.bytes) else {
        let note = format!("{} bytes of {} are not of that shape", blob.bytes.len(), dtype.as_str());
        return miss(json!({"len": blob.bytes.len()}), note);
    };
    if let Some(at) = actual.values.iter().position(|value| !value.is_finite()) {
        let (row, column) = (at / actual.cols, at % actual.cols);
        let note = format!("{} in row {row}, column {column}", actual.values[at]);
        return miss(shown(actual.row(row)), note);
    }
    let Some(wanted) = Matrix::of_bytes(Dtype::F32, &expected.shape, &expected.values) else {
        return miss(Value::Null, "the case expects a tensor that does not fit its own shape".to_owned());
    };
    let (wanted, actual) = match &expected.through {
        None => (wanted, actual),
        Some((shape, bytes)) => match Matrix::of_bytes(Dtype::F32, shape, bytes) {
            Some(left) if left.cols == wanted.rows => (left.times(&wanted), left.times(&actual)),
            _ => return miss(Value::Null, "the case multiplies with a matrix that does not fit".to_owned()),
        },
    };
    match worst(&loosened(expected.within, dtype), &wanted, &actual) {
        None => None,
        Some((row, note)) => miss(
            json!({"row": row, "values": shown(actual.row(row)), "expected": shown(wanted.row(row))}),
            note,
        ),
    }
}

/// What may be off in an answer of that element type. One of 16 bits is rounded once more than the tolerances know, by at
/// most half a unit of its last digit.
fn loosened(within: Within, dtype: Dtype) -> Within {
    let rounding = match dtype {
        Dtype::F16 => 2f64.powi(-11),
        Dtype::Bf16 => 2f64.powi(-8),
        _ => return within,
    };
    let more = |limit: Option<f64>| limit.map(|limit| limit + rounding);
    Within {
        frobenius: more(within.frobenius),
        rows: more(within.rows),
        norms: more(within.norms),
        cosine: within.cosine.map(|least| least - rounding * rounding),
    }
}

/// The first demand that is missed, and the row that shows it best.
fn worst(within: &Within, wanted: &Matrix, actual: &Matrix) -> Option<(usize, String)> {
    let difference = |row: usize| {
        let pairs = wanted.row(row).iter().zip(actual.row(row));
        length(&pairs.map(|(wanted, actual)| actual - wanted).collect::<Vec<_>>())
    };
    if let Some(limit) = within.frobenius {
        let rows: Vec<f64> = (0..wanted.rows).map(difference).collect();
        let error = length(&rows);
        if beyond(error, limit, length(&wanted.values)) {
            let row = (0..rows.len()).max_by(|a, b| rows[*a].total_cmp(&rows[*b])).unwrap_or_default();
            let found = relative(error, length(&wanted.values));
            return Some((row, format!("relative error of the whole is {found}, at most {limit:e}")));
        }
    }
    (0..wanted.rows).find_map(|row| {
        let (of_wanted, of_actual) = (length(wanted.row(row)), length(actual.row(row)));
        if let Some(limit) = within.rows.filter(|limit| beyond(difference(row), *limit, of_wanted)) {
            let found = relative(difference(row), of_wanted);
            return Some((row, format!("row {row}: relative error {found}, at most {limit:e}")));
        }
        if let Some(limit) = within.norms.filter(|limit| beyond(of_actual - of_wanted, *limit, of_wanted)) {
            return Some((
                row,
                format!("row {row}: length {of_actual}, expected {of_wanted} ± {limit:e} of it"),
            ));
        }
        let least = within.cosine?;
        // A vector of zeros has no direction: it must be met by one.
        let cosine = match of_wanted == 0.0 {
            true => f64::from(u8::from(of_actual <= NOTHING)),
            false => dot(wanted.row(row), actual.row(row)) / (of_wanted * of_actual),
        };
        // Not `<`: zeros where a direction is expected have a cosine of NaN.
        let holds = cosine >= least;
        (!holds)
            .then(|| (row, format!("row {row}: cosine {cosine} to the expected direction, at least {least}")))
    })
}

/// Whether an error is more than a part `limit` of `whole`.
fn beyond(error: f64, limit: f64, whole: f64) -> bool {
    error.abs() > limit * whole + if whole == 0.0 { NOTHING } else { 0.0 }
}

fn relative(error: f64, whole: f64) -> String {
    if whole == 0.0 {
        format!("{error:.3e} where zeros are expected")
    } else {
        format!("{:.3e}", error / whole)
    }
}

fn described(expected: &CloseTensor) -> Value {
    let mut described = Map::from_iter([("shape".to_owned(), json!(expected.shape))]);
    described.extend(expected.within.named().map(|(name, limit)| (name.to_owned(), json!(limit))));
    Value::Object(described)
}

fn shown(row: &[f64]) -> Value {
    let mut values: Vec<Value> = row.iter().take(SHOWN).map(|value| json!(value)).collect();
    if row.len() > SHOWN {
        values.push(json!(format!("… {} in all", row.len())));
    }
    Value::Array(values)
}
