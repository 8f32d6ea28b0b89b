//! Keys or values of one layer on the host: [kv_heads, capacity, head_dim], grown and copied only when it must be.

use std::borrow::Cow;
use std::sync::Arc;

use burn::tensor::TensorData;
use half::{bf16, f16};

use crate::wire::DataType;

/// Positions that a store has room for beyond what it was made for: a short answer needs no second allocation. Pages
/// that are never written take no memory.
const ROOM: usize = 256;

/// The part of a received cache's length that it gets as room at most. A peer's message then never makes us ask for much
/// more memory than it has bytes.
const RECEIVED_ROOM: usize = 8;

/// Bytes that are copied and then summed at a time: they fit a core's own cache, so that memory is read once.
const PIECE: usize = 128 << 10;

/// One of a layer's two tensors, in its own element type.
#[derive(Clone)]
pub(super) enum KvStore {
    F32(Heads<f32>),
    F16(Heads<f16>),
    BF16(Heads<bf16>),
}

/// [heads, capacity, head_dim]; shared between contexts until one of them appends.
#[derive(Clone)]
pub(super) struct Heads<T> {
    data: Arc<Vec<T>>,
    heads: usize,
    head_dim: usize,
    capacity: usize,
}

/// An element of a cache.
pub(super) trait Element: bytemuck::Pod + Send + Sync {
    fn narrow(value: f32) -> Self;
    fn widen(self) -> f32;
}

impl Element for f32 {
    fn narrow(value: f32) -> Self {
        value
    }
    fn widen(self) -> f32 {
        self
    }
}

impl Element for f16 {
    fn narrow(value: f32) -> Self {
        Self::from_f32(value)
    }
    fn widen(self) -> f32 {
        self.to_f32()
    }
}

impl Element for bf16 {
    fn narrow(value: f32) -> Self {
        Self::from_f32(value)
    }
    fn widen(self) -> f32 {
        self.to_f32()
    }
}

impl<T: Element> Heads<T> {
    fn new(heads: usize, head_dim: usize, capacity: usize) -> Self {
        // From the system's zeroed pages, whatever the type: what is never written takes no memory.
        Self { data: Arc::new(bytemuck::zeroed_vec(heads * capacity * head_dim)), heads, head_dim, capacity }
    }

    /// The same with room for `positions`, and ours alone; `used` positions are kept.
    fn reserve(&mut self, used: usize, positions: usize) -> &mut Vec<T> {
        if positions > self.capacity || Arc::get_mut(&mut self.data).is_none() {
            // A quarter more, so that a long text copies each position a bounded number of times.
            let mut grown = Self::new(self.heads, self.head_dim, positions + positions / 4 + ROOM);
            if let Some(data) = Arc::get_mut(&mut grown.data) {
                for head in 0..self.heads {
                    let start = head * grown.capacity * self.head_dim;
                    data[start..start + used * self.head_dim].copy_from_slice(self.head(head, used));
                }
            }
            *self = grown;
        }
        Arc::make_mut(&mut self.data)
    }

    /// Positions 0 to `used` of a head, [used, head_dim].
    fn head(&self, head: usize, used: usize) -> &[T] {
        let start = head * self.capacity * self.head_dim;
        &self.data[start..start + used * self.head_dim]
    }

    fn append(&mut self, used: usize, rows: &[f32]) {
        let (heads, head_dim) = (self.heads, self.head_dim);
        let width = heads * head_dim;
        let data = self.reserve(used, used + rows.len() / width);
        let capacity = data.len() / width;
        for (position, row) in (used..).zip(rows.chunks_exact(width)) {
            for (head, values) in row.chunks_exact(head_dim).enumerate() {
                let start = (head * capacity + position) * head_dim;
                let target = &mut data[start..start + head_dim];
                target.iter_mut().zip(values).for_each(|(target, value)| *target = T::narrow(*value));
            }
        }
    }

    /// Fills positions 0 to `used` from little-endian bytes [heads, used, head_dim] of this element type; `copied` sees
    /// each piece in order.
    fn fill(&mut self, used: usize, bytes: &[u8], copied: &mut dyn FnMut(&[u8])) {
        let (heads, head_dim) = (self.heads, self.head_dim);
        let data = self.reserve(0, used);
        let capacity = data.len() / (heads * head_dim);
        let length = used * head_dim;
        for (head, bytes) in bytes.chunks_exact((length * size_of::<T>()).max(1)).enumerate() {
            let start = head * capacity * head_dim;
            let target = bytemuck::cast_slice_mut::<T, u8>(&mut data[start..start + length]);
            for (target, piece) in target.chunks_mut(PIECE).zip(bytes.chunks(PIECE)) {
                target.copy_from_slice(piece);
                copied(piece);
            }
            little_endian(target, size_of::<T>());
        }
    }
}

/// Turns little-endian elements into the machine's own order, or back.
fn little_endian(bytes: &mut [u8], size: usize) {
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
}

/// The same expression for each element type.
macro_rules! each {
    ($store:expr, $heads:ident => $body:expr) => {
        match $store {
            KvStore::F32($heads) => $body,
            KvStore::F16($heads) => $body,
            KvStore::BF16($heads) => $body,
        }
    };
}

impl KvStore {
    /// An empty store with room for some positions beyond `positions`.
    pub(super) fn new(element: DataType, heads: usize, head_dim: usize, positions: usize) -> Self {
        Self::with_capacity(element, heads, head_dim, positions + ROOM)
    }

    /// A store of a payload's tensor, [heads, used, head_dim] in little-endian bytes of the element type. `copied` sees
    /// each piece in order.
    pub(super) fn received(
        element: DataType,
        [heads, used, head_dim]: [usize; 3],
        bytes: &[u8],
        copied: &mut dyn FnMut(&[u8]),
    ) -> Self {
        let capacity = used + ROOM.min(used / RECEIVED_ROOM);
        let mut store = Self::with_capacity(element, heads, head_dim, capacity);
        each!(&mut store, heads => heads.fill(used, bytes, copied));
        store
    }

    /// Element types other than the three floating point ones do not occur: models have one of them.
    fn with_capacity(element: DataType, heads: usize, head_dim: usize, capacity: usize) -> Self {
        match element {
            DataType::Float16 => Self::F16(Heads::new(heads, head_dim, capacity)),
            DataType::BFloat16 => Self::BF16(Heads::new(heads, head_dim, capacity)),
            _ => Self::F32(Heads::new(heads, head_dim, capacity)),
        }
    }

    /// Appends rows [n, heads · head_dim] after position `used`.
    pub(super) fn append(&mut self, used: usize, rows: &[f32]) {
        each!(self, heads => heads.append(used, rows));
    }

    /// A head's positions in f32, [used, head_dim].
    pub(super) fn head(&self, head: usize, used: usize) -> Cow<'_, [f32]> {
        match self {
            Self::F32(heads) => Cow::Borrowed(heads.head(head, used)),
            Self::F16(heads) => heads.head(head, used).iter().map(|value| value.widen()).collect(),
            Self::BF16(heads) => heads.head(head, used).iter().map(|value| value.widen()).collect(),
        }
    }

    /// All heads' positions in f32, [heads, used, head_dim].
    pub(super) fn all(&self, used: usize) -> Vec<f32> {
        let heads = each!(self, heads => heads.heads);
        (0..heads).flat_map(|head| self.head(head, used).into_owned()).collect()
    }

    /// A head's positions as little-endian bytes of the element type.
    pub(super) fn head_bytes(&self, head: usize, used: usize) -> Cow<'_, [u8]> {
        each!(self, heads => {
            let elements = heads.head(head, used);
            let mut bytes = Cow::Borrowed(bytemuck::cast_slice(elements));
            if cfg!(target_endian = "big") {
                little_endian(bytes.to_mut(), size_of_val(elements) / elements.len().max(1));
            }
            bytes
        })
    }

    /// All heads' positions as they are, [heads, used, head_dim], for a device.
    pub(super) fn to_data(&self, used: usize) -> TensorData {
        each!(self, heads => {
            let mut elements = Vec::with_capacity(heads.heads * used * heads.head_dim);
            (0..heads.heads).for_each(|head| elements.extend_from_slice(heads.head(head, used)));
            TensorData::new(elements, [heads.heads, used, heads.head_dim])
        })
    }

    /// A store of what a device had, [heads, used, head_dim] in the element type.
    pub(super) fn from_data(mut data: TensorData, element: DataType, shape: [usize; 3]) -> Self {
        little_endian(&mut data.bytes, element.size());
        let mut store = Self::new(element, shape[0], shape[2], shape[1]);
        each!(&mut store, heads => heads.fill(shape[1], &data.bytes, &mut |_| ()));
        store
    }

    /// The same numbers in another element type.
    pub(super) fn converted(&self, element: DataType, used: usize) -> Self {
        let (heads, head_dim) = each!(self, heads => (heads.heads, heads.head_dim));
        Self::of([heads, used, head_dim], &self.all(used), element)
    }

    /// A store of numbers, [heads, used, head_dim].
    pub(super) fn of([heads, used, head_dim]: [usize; 3], values: &[f32], element: DataType) -> Self {
        let mut store = Self::new(element, heads, head_dim, used);
        each!(&mut store, store => {
            let data = store.reserve(0, used);
            let capacity = data.len() / (heads * head_dim);
            for (head, values) in values.chunks_exact((used * head_dim).max(1)).enumerate() {
                let target = &mut data[head * capacity * head_dim..][..values.len()];
                target.iter_mut().zip(values).for_each(|(target, value)| *target = Element::narrow(*value));
            }
        });
        store
    }

    /// Whether nobody else holds the same memory.
    #[cfg(test)]
    pub(super) fn is_unique(&mut self) -> bool {
        each!(self, heads => Arc::get_mut(&mut heads.data).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two positions of two heads with two elements each.
    const ROWS: [f32; 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];

    #[test]
    fn positions_are_appended_by_head() {
        for element in [DataType::Float32, DataType::Float16, DataType::BFloat16] {
            let mut store = KvStore::new(element, 2, 2, 0);
            store.append(0, &ROWS[..4]);
            store.append(1, &ROWS[4..]);
            assert_eq!(*store.head(0, 2), [1.0, 2.0, 5.0, 6.0]);
            assert_eq!(*store.head(1, 2), [3.0, 4.0, 7.0, 8.0]);
            assert_eq!(store.all(2), [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
            let bytes: Vec<u8> = (0..2).flat_map(|head| store.head_bytes(head, 2).into_owned()).collect();
            let mut seen = Vec::new();
            let filled =
                KvStore::received(element, [2, 2, 2], &bytes, &mut |piece| seen.extend_from_slice(piece));
            assert_eq!(seen, bytes);
            assert_eq!(filled.all(2), store.all(2));
            assert_eq!(store.converted(DataType::Float32, 2).all(2), store.all(2));
            let back = KvStore::from_data(store.to_data(2), element, [2, 2, 2]);
            assert_eq!(back.all(2), store.all(2));
        }
    }

    #[test]
    fn growth_keeps_what_is_there() {
        let mut store = KvStore::new(DataType::Float32, 2, 2, 0);
        for position in 0..2 * ROOM {
            let row = [position as f32, 0.5, -(position as f32), 0.25];
            store.append(position, &row);
        }
        let head = store.head(1, 2 * ROOM);
        assert!(head.chunks_exact(2).enumerate().all(|(position, pair)| pair == [-(position as f32), 0.25]));
    }

    #[test]
    fn a_copy_is_made_only_when_both_are_used() {
        let mut one = KvStore::new(DataType::Float32, 2, 2, 0);
        one.append(0, &ROWS[..4]);
        let mut two = one.clone();
        assert!(!one.is_unique());
        two.append(1, &ROWS[4..]);
        assert!(one.is_unique() && two.is_unique());
        one.append(1, &[9.0; 4]);
        assert_eq!(*two.head(0, 2), [1.0, 2.0, 5.0, 6.0]);
        assert_eq!(*one.head(0, 2), [1.0, 2.0, 9.0, 9.0]);
    }
}
