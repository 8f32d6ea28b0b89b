"""A stand-in for the few calls of torch and transformers that the SDK's kv_cache module makes.

torch weighs gigabytes, and the SDK uses it there only to carry bytes: shapes, a view of bfloat16 as int16, copies from
and to numpy. These classes do the same on numpy arrays, so that KV payloads can be judged in a small environment. They
compute nothing and know nothing of the protocol. `test_numpy_torch.py` compares them with the real torch.
"""

import numpy


class Dtype:
    """An element type; str() is what the SDK looks at."""

    def __init__(self, name, storage):
        self.name = name
        self.storage = numpy.dtype(storage)

    def __repr__(self):
        return f"torch.{self.name}"


float64 = Dtype("float64", "f8")
float32 = Dtype("float32", "f4")
float16 = Dtype("float16", "f2")
bfloat16 = Dtype("bfloat16", "u2")  # numpy has no bfloat16: its bits, tagged
int64 = Dtype("int64", "i8")
int32 = Dtype("int32", "i4")
int16 = Dtype("int16", "i2")
int8 = Dtype("int8", "i1")
uint8 = Dtype("uint8", "u1")
uint32 = Dtype("uint32", "u4")

_OF_ARRAY = {d.storage: d for d in (float64, float32, float16, int64, int32, int16, int8, uint8, uint32)}


class Tensor:
    """A numpy array with a torch element type."""

    def __init__(self, array, dtype):
        self.array = array
        self.dtype = dtype

    @property
    def shape(self):
        return self.array.shape

    def squeeze(self, dim):
        """Takes out a dimension of one; like torch it leaves any other as it is."""
        return Tensor(self.array.squeeze(dim), self.dtype) if self.array.shape[dim] == 1 else self

    def unsqueeze(self, dim):
        return Tensor(numpy.expand_dims(self.array, dim), self.dtype)

    def contiguous(self):
        # ascontiguousarray would turn a scalar into a vector
        return Tensor(numpy.ascontiguousarray(self.array).reshape(self.array.shape), self.dtype)

    def cpu(self):
        return self

    def to(self, device=None):
        if device not in (None, "cpu"):
            raise RuntimeError(f"the stand-in has no device {device!r}")
        return self

    def view(self, dtype):
        if dtype.storage.itemsize != self.dtype.storage.itemsize:
            raise RuntimeError("the stand-in views element types of the same size only")
        return Tensor(self.array.view(dtype.storage), dtype)

    def numpy(self):
        if self.dtype is bfloat16:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


def from_numpy(array):
    if array.dtype not in _OF_ARRAY:
        raise TypeError(f"can't convert np.ndarray of type {array.dtype}")
    return Tensor(array, _OF_ARRAY[array.dtype])


class Cache:
    """In place of transformers.cache_utils.Cache."""


class DynamicCache(Cache):
    """In place of transformers.cache_utils.DynamicCache: it keeps the layers and gives them back."""

    def __init__(self, layers):
        self.layers = tuple(layers)

    def __iter__(self):
        return iter(self.layers)
