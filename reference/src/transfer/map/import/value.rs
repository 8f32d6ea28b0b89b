//! What a saved map's pickle is made of: texts, numbers, and tensors as views into storages.

/// Most axes of a tensor.
const MAX_AXES: usize = 2;

/// A value of the dictionary.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    None,
    Bool,
    Int(i64),
    Float(f64),
    Text(&'a str),
    Tensor(Tensor<'a>),
    /// What tensors are made of: places of other values.
    Tuple(Vec<usize>),
    Global(Global),
    Storage(Storage<'a>),
    /// Members, in the order of their coming.
    Dict(Vec<(&'a str, usize)>),
    /// A dictionary that is empty and stays so.
    Hooks,
}

/// A name that the pickle may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    RebuildTensor,
    OrderedDict,
    Storage(Element),
}

/// Element type of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
}

impl Element {
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }
}

/// An entry of the archive with elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Storage<'a> {
    pub(super) element: Element,
    /// Its name under `data/`.
    pub(super) key: &'a str,
    /// Elements.
    pub(super) count: usize,
}

/// A view into a storage; all of its places lie in there, and it has no more of them than the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor<'a> {
    pub(super) storage: Storage<'a>,
    offset: usize,
    pub(super) shape: Vec<usize>,
    strides: Vec<usize>,
}

impl<'a> Tensor<'a> {
    /// A view of that shape; `None` where it would leave the storage, or repeat more elements than there are.
    pub(super) fn new(
        storage: Storage<'a>,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Option<Self> {
        if shape.len() != strides.len() || shape.len() > MAX_AXES {
            return None;
        }
        // No tensor of a map is empty, and one without columns could have rows without end.
        let count = shape.iter().try_fold(1usize, |count, axis| count.checked_mul(*axis))?;
        let last = shape.iter().zip(&strides).try_fold(offset, |last, (axis, stride)| {
            axis.checked_sub(1)?.checked_mul(*stride).and_then(|step| last.checked_add(step))
        })?;
        // Strides of zero would repeat elements without end.
        if last >= storage.count || count > storage.count {
            return None;
        }
        Some(Self { storage, offset, shape, strides })
    }

    /// Places of the elements in the storage, row after row.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let axis = |index: usize| {
            let from_the_end = |list: &[usize]| list.len().checked_sub(index + 1).map(|place| list[place]);
            (from_the_end(&self.shape).unwrap_or(1), from_the_end(&self.strides).unwrap_or(0))
        };
        let ((cols, col), (rows, row)) = (axis(0), axis(1));
        let offset = self.offset;
        (0..rows).flat_map(move |y| (0..cols).map(move |x| offset + y * row + x * col))
    }
}
