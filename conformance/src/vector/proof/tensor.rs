//! In how many places the tensors of two requests differ.

use std::collections::{BTreeMap, BTreeSet};

use half::{bf16, f16};

use crate::case::Dtype;

use super::difference::{Places, inside, middle};

/// A tensor, its values as double-precision bits whatever its type, so that one value in two types is one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<u64>,
    pub(super) values: Vec<u64>,
}

impl Tensor {
    /// Reads the little-endian bytes.
    pub(super) fn read(dtype: Dtype, shape: &[u64], bytes: &[u8]) -> Self {
        let values = bytes.chunks_exact(dtype.size()).map(|one| value(dtype, one).to_bits()).collect();
        Self { dtype, shape: shape.to_vec(), values }
    }
}

fn value(dtype: Dtype, one: &[u8]) -> f64 {
    let bits = one.iter().rev().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    match dtype {
        Dtype::F64 => f64::from_bits(bits),
        Dtype::F32 => f64::from(f32::from_bits(bits as u32)),
        Dtype::F16 => f16::from_bits(bits as u16).to_f64(),
        Dtype::Bf16 => bf16::from_bits(bits as u16).to_f64(),
        Dtype::I8 => f64::from(bits as u8 as i8),
        Dtype::U8 | Dtype::U32 => bits as f64,
    }
}

/// Tensors by name.
type Named = BTreeMap<String, Tensor>;

/// Counts the places. Tensors whose names end in the same number are one layer.
pub(super) fn between(places: &mut Places, a: &Named, b: &Named, place: &str) {
    let layers = |named: &Named| named.keys().map(|name| layer(name)).collect::<BTreeSet<_>>();
    let (layers_a, layers_b) = (layers(a), layers(b));
    for only in layers_a.symmetric_difference(&layers_b) {
        places.more(1, &inside(place, only));
    }
    let both: BTreeSet<String> = layers_a.intersection(&layers_b).cloned().collect();
    let names: BTreeSet<&String> =
        a.keys().chain(b.keys()).filter(|name| both.contains(&layer(name))).collect();
    for name in names.iter().filter(|name| !(a.contains_key(**name) && b.contains_key(**name))) {
        places.more(1, &inside(place, name));
    }
    let pairs: Vec<Pair<'_>> =
        names.iter().filter_map(|name| Some(Pair { name, a: a.get(*name)?, b: b.get(*name)? })).collect();
    changes(places, &pairs, place, "dtype", |tensor| tensor.dtype.as_str().to_owned(), |_| 1);
    changes(places, &pairs, place, "shape", |tensor| format!("{:?}", tensor.shape), dimensions);
    for pair in &pairs {
        places.more(values(pair), &inside(place, pair.name));
    }
}

/// A tensor of both requests.
#[derive(Clone, Copy)]
struct Pair<'t> {
    name: &'t str,
    a: &'t Tensor,
    b: &'t Tensor,
}

/// `k3` and `v3` are one layer; what has no number stands for itself.
fn layer(name: &str) -> String {
    match name.trim_start_matches(['k', 'v']) {
        digits
            if digits.len() + 1 == name.len()
                && !digits.is_empty()
                && digits.bytes().all(|digit| digit.is_ascii_digit()) =>
        {
            format!("layer {digits}")
        }
        _ => name.to_owned(),
    }
}

/// Counts changes of one property: once for the whole request or for a layer where all that had the one value, and
/// nothing else, have the other, and once a tensor otherwise.
fn changes(
    places: &mut Places,
    pairs: &[Pair<'_>],
    place: &str,
    property: &str,
    of: impl Fn(&Tensor) -> String,
    count: impl Fn(&Pair<'_>) -> usize,
) {
    let mut left: Vec<&Pair<'_>> = pairs.iter().filter(|pair| of(pair.a) != of(pair.b)).collect();
    while let Some(first) = left.first().copied() {
        let (from, to) = (of(first.a), of(first.b));
        let changed = |pair: &Pair<'_>| of(pair.a) == from && of(pair.b) == to;
        // Nothing but these had the old value, and nothing but these has the new one.
        let alike = |pair: &Pair<'_>| changed(pair) || (of(pair.a) != from && of(pair.b) != to);
        let mine = |pair: &Pair<'_>| layer(pair.name) == layer(first.name);
        if pairs.iter().all(alike) {
            left.retain(|pair| !changed(pair));
        } else if pairs.iter().filter(|pair| mine(pair)).all(alike) {
            left.retain(|pair| !(changed(pair) && mine(pair)));
        } else {
            left.remove(0);
        }
        places.more(count(first), &inside(&inside(place, first.name), property));
    }
}

/// Dimensions that change, appear or disappear. The same values in another shape are one change.
fn dimensions(pair: &Pair<'_>) -> usize {
    if pair.a.values == pair.b.values && !pair.a.values.is_empty() {
        return 1;
    }
    let (_, x, y) = middle(&pair.a.shape, &pair.b.shape);
    if x.len() == y.len() { x.iter().zip(y).filter(|(x, y)| x != y).count() } else { x.len().max(y.len()) }
}

/// Values that differ, where the shape does not say so already: of another shape, what both have must agree.
fn values(pair: &Pair<'_>) -> usize {
    let (a, b) = (&pair.a.values, &pair.b.values);
    if pair.a.shape == pair.b.shape {
        return a.iter().zip(b).filter(|(x, y)| x != y).count();
    }
    let (_, x, y) = middle(a, b);
    let cut = x.is_empty() || y.is_empty();
    usize::from(!cut && !agree(pair.a, pair.b))
}

/// Whether two tensors of one rank hold the same wherever both have a value.
fn agree(a: &Tensor, b: &Tensor) -> bool {
    if a.shape.len() != b.shape.len() || a.values.is_empty() || b.values.is_empty() {
        return a.values.is_empty() || b.values.is_empty();
    }
    let common: Vec<u64> = a.shape.iter().zip(&b.shape).map(|(x, y)| *x.min(y)).collect();
    let mut at = vec![0_u64; common.len()];
    loop {
        if a.value(&at) != b.value(&at) {
            return false;
        }
        let Some(next) = (0..at.len()).rev().find(|dim| at[*dim] + 1 < common[*dim]) else { return true };
        at[next] += 1;
        at[next + 1..].fill(0);
    }
}

impl Tensor {
    fn value(&self, at: &[u64]) -> Option<u64> {
        let index = at.iter().zip(&self.shape).fold(0, |index, (at, dim)| index * dim + at);
        self.values.get(usize::try_from(index).ok()?).copied()
    }
}
