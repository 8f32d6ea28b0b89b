"""Writes types.gguf (a tensor of every element type, metadata of every value type) and types.safetensors (the values that
the Python package `gguf` reads from those tensors). Needs gguf 0.19 and numpy; run it in this folder."""

import json

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Kind

SHAPE = (3, 256)
# Offsets of the float16 scales in a block. The other bytes mean something whatever they are.
SCALES = {
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q5_1: [0, 2],
    Type.Q8_0: [0],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
}
rng = np.random.default_rng(20261120)


def floats(dtype):
    return rng.standard_normal(SHAPE).astype(dtype)


def blocks(kind):
    """Blocks of random bytes, with scales as weights have them, either sign."""
    length, size = gguf.GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (SHAPE[0], SHAPE[1] // length, size), dtype=np.uint8)
    for at in SCALES[kind]:
        scales = (rng.standard_normal(data.shape[:2]) * 0.02).astype("<f2")
        data[:, :, at : at + 2] = scales[..., None].view(np.uint8)
    return data.reshape(SHAPE[0], -1)


writer = gguf.GGUFWriter("types.gguf", "qwen2")
values = {
    "u8": (255, Kind.UINT8),
    "i8": (-128, Kind.INT8),
    "u16": (65535, Kind.UINT16),
    "i16": (-32768, Kind.INT16),
    "u32": (4294967295, Kind.UINT32),
    "i32": (-2147483648, Kind.INT32),
    "f32": (1e-5, Kind.FLOAT32),
    "bool": (True, Kind.BOOL),
    "text": ("déjà vu", Kind.STRING),
    "u64": (2**64 - 1, Kind.UINT64),
    "i64": (-(2**63), Kind.INT64),
    "f64": (0.1, Kind.FLOAT64),
}
for key, (value, kind) in values.items():
    writer.add_key_value(f"test.{key}", value, kind)
writer.add_array("test.numbers", [1, -2, 3])
writer.add_array("test.texts", ["a", "", "ç"])
writer.add_array("test.nested", [[1, 2], [3]])

expected = {}
data = {Type.F32: floats("<f4"), Type.F16: floats("<f2")}
# bfloat16 has no numpy type: the upper halves of binary32.
data[Type.BF16] = (floats("<f4").view("<u4") >> 16).astype("<u2").view(np.uint8)
for kind in SCALES:
    data[kind] = blocks(kind)
for kind, stored in data.items():
    name = kind.name.lower()
    raw = None if kind in (Type.F32, Type.F16) else kind
    writer.add_tensor(name, stored, raw_dtype=raw)
    expected[name] = gguf.dequantize(stored, kind).astype("<f4").reshape(SHAPE)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

header, size = {}, 0
for name, array in expected.items():
    header[name] = {"dtype": "F32", "shape": SHAPE, "data_offsets": [size, size + array.nbytes]}
    size += array.nbytes
text = json.dumps(header).encode()
with open("types.safetensors", "wb") as file:
    file.write(len(text).to_bytes(8, "little") + text)
    for array in expected.values():
        file.write(array.tobytes())
