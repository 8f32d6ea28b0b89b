//! The KV-cache: keys (after rotation) and values of every layer and position.

use std::borrow::Cow;
use std::ops::Range;

use super::activation::Place;
use super::backend::{self, Tensor};
use super::kv_store::KvStore;
use crate::error::{Error, ErrorClass, Result};
use crate::kv::{KV_HEADER_LEN, KvDtype, KvHeader, KvLayer};
use crate::tensor::TensorView;
use crate::wire::{DataType, PayloadSum, crc32_more};

/// Positions by which a cache on a device grows at least: each growth copies the layer.
const DEVICE_ROOM: usize = 256;

/// Keys and values of every layer, shared between clones until one of them grows.
#[derive(Clone)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    shape: CacheShape,
    /// Positions held.
    len: usize,
}

/// What all layers have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CacheShape {
    pub(crate) num_layers: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) element: DataType,
}

/// One layer.
#[derive(Clone)]
pub(super) enum LayerCache {
    Host { keys: KvStore, values: KvStore },
    Device(Box<DeviceLayer>),
}

/// [kv_heads, capacity, head_dim] each.
#[derive(Clone)]
pub(super) struct DeviceLayer {
    keys: Option<Tensor<3>>,
    values: Option<Tensor<3>>,
}

impl KvCache {
    /// An empty cache.
    pub(super) fn new(shape: CacheShape, place: &Place) -> Self {
        let layer = || match place {
            Place::Host => {
                let store = || KvStore::new(shape.element, shape.kv_heads, shape.head_dim, 0);
                LayerCache::Host { keys: store(), values: store() }
            }
            Place::Device(_) => LayerCache::Device(Box::new(DeviceLayer { keys: None, values: None })),
        };
        Self { layers: (0..shape.num_layers).map(|_| layer()).collect(), shape, len: 0 }
    }

    /// A cache on the host from a payload and its tensors, which lie in it one behind the other, each [kv_heads, seq_len,
    /// head_dim]. Each piece is summed while the processor still has it; `done` is told which bytes of the message will
    /// not be read again.
    ///
    /// # Errors
    /// `shape_mismatch` for tensors that no model could have made, and for a cache of no tokens: its other dimensions
    /// would be a peer's word without a byte behind it.
    pub(crate) fn read(
        layers: &[KvLayer<'_>],
        payload: &[u8],
        sum: Option<PayloadSum>,
        done: &mut dyn FnMut(Range<usize>),
    ) -> Result<Self> {
        let (shape, len) = shape_of(layers)?;
        let at = sum.map(PayloadSum::payload_at);
        let (mut crc, mut read) = (crc32_more(0, &payload[..KV_HEADER_LEN]), KV_HEADER_LEN);
        let mut store = |tensor: &TensorView<'_>| {
            let dims = [shape.kv_heads, len, shape.head_dim];
            let store = KvStore::received(shape.element, dims, tensor.bytes(), &mut |piece| {
                crc = if sum.is_some() { crc32_more(crc, piece) } else { 0 };
            });
            let start = read;
            read += tensor.bytes().len();
            if let Some(at) = at {
                done(at + start..at + read);
            }
            store
        };
        let layers =
            layers.iter().map(|layer| LayerCache::Host { keys: store(&layer.k), values: store(&layer.v) });
        let layers = layers.collect();
        if let Some(sum) = sum {
            sum.check(crc32_more(crc, &payload[read..]))?;
        }
        Ok(Self { layers, shape, len })
    }

    /// The header of a payload of this cache.
    pub(crate) fn header(&self) -> Result<KvHeader> {
        let number = |size: usize| {
            u32::try_from(size).map_err(|_| {
                Error::new(ErrorClass::LimitExceeded, "kv", "sizes below 2^32", size.to_string())
            })
        };
        Ok(KvHeader {
            num_layers: number(self.shape.num_layers)?,
            num_kv_heads: number(self.shape.kv_heads)?,
            head_dim: number(self.shape.head_dim)?,
            seq_len: number(self.len)?,
            dtype: KvDtype::try_from(self.shape.element)?,
        })
    }

    /// The same cache on the host: itself, where it is there already.
    pub(crate) fn on_the_host(&self) -> Result<Cow<'_, Self>> {
        if self.on_host() {
            return Ok(Cow::Borrowed(self));
        }
        self.clone().moved_to(&Place::Host, self.shape.element).map(Cow::Owned)
    }

    /// Positions held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keys (after rotation) and values of a layer in f32, [kv_heads, len, head_dim] each; `None` beyond the last layer.
    ///
    /// # Errors
    /// `engine_unavailable` when the device does not answer.
    pub fn read_layer(&self, index: usize) -> Result<Option<[Vec<f32>; 2]>> {
        let cache = self.on_the_host()?;
        Ok(cache.host_stores().get(index).map(|stores| stores.map(|store| store.all(self.len))))
    }

    /// Blocks of the model that it belongs to.
    #[must_use]
    pub fn num_layers(&self) -> usize {
        self.shape.num_layers
    }

    /// Heads of keys and values.
    #[must_use]
    pub fn kv_heads(&self) -> usize {
        self.shape.kv_heads
    }

    /// Numbers of a head's key.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.shape.head_dim
    }

    /// The same model's cache with other keys and values, one pair a layer, [kv_heads, n, head_dim] each, as
    /// [`Self::read_layer`] gives them; n may be another number of positions. It stands on the host until a model takes it.
    ///
    /// # Errors
    /// `shape_mismatch` for another number of layers, and for tensors that are not of one such shape.
    pub fn with_layers(&self, layers: &[[Vec<f32>; 2]]) -> Result<Self> {
        let width = self.shape.kv_heads * self.shape.head_dim;
        let numbers = layers.first().map_or(0, |[keys, _]| keys.len());
        let alike = layers.iter().flatten().all(|tensor| tensor.len() == numbers);
        if layers.len() != self.shape.num_layers || width == 0 || !numbers.is_multiple_of(width) || !alike {
            let expected = format!("{} layers of keys and values, rows of {width}", self.shape.num_layers);
            let found = format!("{} layers, the first of {numbers} numbers", layers.len());
            return Err(Error::new(ErrorClass::ShapeMismatch, "cache.layers", expected, found));
        }
        let dims = [self.shape.kv_heads, numbers / width, self.shape.head_dim];
        let store = |values: &Vec<f32>| KvStore::of(dims, values, self.shape.element);
        let layers =
            layers.iter().map(|[keys, values]| LayerCache::Host { keys: store(keys), values: store(values) });
        Ok(Self { layers: layers.collect(), shape: self.shape, len: numbers / width })
    }

    /// What all layers have in common.
    pub(crate) fn shape(&self) -> CacheShape {
        self.shape
    }

    /// A layer, to append to and read.
    pub(super) fn layer(&mut self, index: usize) -> &mut LayerCache {
        &mut self.layers[index]
    }

    /// Counts positions that every layer has appended.
    pub(super) fn advance(&mut self, positions: usize) {
        self.len += positions;
    }

    /// The cache where the model lives and in its element type; what is there already stays as it is. Between host and
    /// device the tensors go as they are, and are converted on the device.
    pub(super) fn moved_to(mut self, place: &Place, element: DataType) -> Result<Self> {
        let (len, shape) = (self.len, self.shape);
        self.shape.element = element;
        let dims = [shape.kv_heads, len, shape.head_dim];
        if let (Place::Host, false) = (place, self.on_host()) {
            self.layers = Self::read_device(&self.layers, dims, element)?;
            return Ok(self);
        }
        for layer in &mut self.layers {
            match (&mut *layer, place) {
                (LayerCache::Host { keys, values }, Place::Device(device)) => {
                    let upload = |store: &KvStore| {
                        let held = Tensor::<3>::from_data(
                            store.to_data(len),
                            (device, backend::dtype(shape.element)),
                        );
                        held.cast(backend::dtype(element))
                    };
                    let tensor = |store| (len > 0).then(|| upload(store));
                    *layer = LayerCache::Device(Box::new(DeviceLayer {
                        keys: tensor(keys),
                        values: tensor(values),
                    }));
                }
                (LayerCache::Device(layer), Place::Device(device)) => {
                    let moved = |tensor: Tensor<3>| tensor.to_device(device).cast(backend::dtype(element));
                    layer.keys = layer.keys.take().map(moved);
                    layer.values = layer.values.take().map(moved);
                }
                (LayerCache::Host { keys, values }, Place::Host) => {
                    if shape.element != element {
                        *keys = keys.converted(element, len);
                        *values = values.converted(element, len);
                    }
                }
                (LayerCache::Device(_), Place::Host) => unreachable!("read above, all layers at once"),
            }
        }
        Ok(self)
    }

    /// Layers of a device on the host, [kv_heads, len, head_dim] each tensor: read all at once, so that the device is waited
    /// for once.
    fn read_device(layers: &[LayerCache], dims: [usize; 3], element: DataType) -> Result<Vec<LayerCache>> {
        let [heads, len, head_dim] = dims;
        let tensors: Vec<Tensor<3>> = layers
            .iter()
            .filter_map(|layer| match layer {
                LayerCache::Device(layer) => Some([&layer.keys, &layer.values]),
                LayerCache::Host { .. } => None,
            })
            .flatten()
            .flatten()
            .map(|tensor| tensor.clone().slice([0..heads, 0..len, 0..head_dim]).cast(backend::dtype(element)))
            .collect();
        let read = if len > 0 { backend::read_all(tensors)? } else { Vec::new() };
        let mut stores = read.into_iter().map(|data| KvStore::from_data(data, element, dims));
        let mut store = || stores.next().unwrap_or_else(|| KvStore::new(element, heads, head_dim, 0));
        Ok(layers.iter().map(|_| LayerCache::Host { keys: store(), values: store() }).collect())
    }

    /// The stores of a cache on the host, layer by layer: keys and values.
    pub(super) fn host_stores(&self) -> Vec<[&KvStore; 2]> {
        let stores = self.layers.iter().filter_map(|layer| match layer {
            LayerCache::Host { keys, values } => Some([keys, values]),
            LayerCache::Device(_) => None,
        });
        stores.collect()
    }

    /// Whether the tensors are on the host.
    pub(crate) fn on_host(&self) -> bool {
        self.layers.iter().all(|layer| matches!(layer, LayerCache::Host { .. }))
    }
}

/// Shape and length that all tensors of a payload share.
fn shape_of(layers: &[KvLayer<'_>]) -> Result<(CacheShape, usize)> {
    let unlike = |found: String| {
        let expected = "tensors [kv_heads, seq_len, head_dim] of one shape, without a 0, and floating point type in all layers";
        Error::new(ErrorClass::ShapeMismatch, "kv", expected, found)
    };
    let Some(first) = layers.first() else { return Err(unlike("no layers".into())) };
    let dims = |tensor: &TensorView<'_>| match *tensor.shape() {
        [heads, len, dim] => Some([heads, len, dim].map(|size| usize::try_from(size).unwrap_or(usize::MAX))),
        _ => None,
    };
    let Some([kv_heads, len, head_dim]) = dims(&first.k) else {
        return Err(unlike(format!("{:?}", first.k.shape())));
    };
    let element = first.k.dtype();
    if element == DataType::Int8 || kv_heads == 0 || head_dim == 0 || len == 0 {
        return Err(unlike(format!("{} {:?}", element.as_str(), first.k.shape())));
    }
    for tensor in layers.iter().flat_map(|layer| [&layer.k, &layer.v]) {
        if tensor.dtype() != element || dims(tensor) != Some([kv_heads, len, head_dim]) {
            return Err(unlike(format!("{} {:?}", tensor.dtype().as_str(), tensor.shape())));
        }
    }
    Ok((CacheShape { num_layers: layers.len(), kv_heads, head_dim, element }, len))
}

impl DeviceLayer {
    /// Appends [kv_heads, s, head_dim] after position `used` and gives back all positions of keys and of values.
    pub(super) fn append(&mut self, used: usize, keys: Tensor<3>, values: Tensor<3>) -> [Tensor<3>; 2] {
        [(&mut self.keys, keys), (&mut self.values, values)].map(|(held, new)| {
            let [heads, count, dim] = new.dims();
            let total = used + count;
            let mut all = held.take().unwrap_or_else(|| new.clone().slice([0..heads, 0..0, 0..dim]));
            let capacity = all.dims()[1];
            if capacity < total {
                let room = (total / 4).max(DEVICE_ROOM) + total - used;
                let used_part = all.slice([0..heads, 0..used, 0..dim]);
                let empty = Tensor::zeros([heads, room, dim], (&new.device(), new.dtype()));
                all = Tensor::cat(vec![used_part, empty], 1);
            }
            let all = all.slice_assign([0..heads, used..total, 0..dim], new);
            let seen = all.clone().slice([0..heads, 0..total, 0..dim]);
            *held = Some(all);
            seen
        })
    }
}

/// Rows of keys and values, [s, kv_heads · head_dim], as a device wants them: [kv_heads, s, head_dim].
pub(super) fn by_head(rows: Tensor<2>, heads: usize, head_dim: usize) -> Tensor<3> {
    let count = rows.dims()[0];
    rows.reshape([count, heads, head_dim]).swap_dims(0, 1)
}
