"""Compares the numpy stand-in with the real torch, through the SDK's own KV functions.

    python test_numpy_torch.py

Needs avp, numpy and torch; without torch it says so and is skipped.
"""

import importlib.util
import random
import struct
import sys
import unittest

import numpy

import adapter  # noqa: F401  (kv_ops takes its names from it)
import kv_ops
import numpy_torch

SHAPES = {
    "usual": [(1, 2, 3, 4)] * 4,
    "one element": [(1, 1, 1, 1)] * 2,
    "no tokens": [(1, 2, 0, 4)] * 2,
    "batch of two": [(2, 2, 3, 4)] * 2,
    "ragged layers": [(1, 2, 3, 4)] * 2 + [(1, 2, 5, 4)] * 2,
    "keys and values differ": [(1, 2, 3, 4), (1, 2, 3, 8)],
}
DTYPES = ["f32", "f16", "bf16", "f64", "i8"]


def parts_of(shapes, dtype, rng):
    """Named parts with random bits, so that NaN payloads, infinities and subnormals are among them."""
    parts = {}
    for index, shape in enumerate(shapes):
        name = f"{'kv'[index % 2]}{index // 2}"
        size = int(numpy.prod(shape)) * numpy.dtype(kv_ops.NUMPY[dtype]).itemsize
        parts[name] = adapter.Part(name, rng.randbytes(size), dtype, list(shape))
    return parts


def outcome(call):
    """A call's result, or the type of its exception."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__


@unittest.skipUnless(importlib.util.find_spec("torch"), "torch is not installed: nothing to compare with")
class SameAsTorch(unittest.TestCase):
    def both(self, call):
        """The call's outcome with the stand-in and with torch."""
        usual = kv_ops.HAS_TORCH, kv_ops.HAS_TRANSFORMERS
        saved = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in ("torch", "transformers")}
        kv_ops.HAS_TORCH = kv_ops.HAS_TRANSFORMERS = False
        try:
            stand_in = outcome(call)
        finally:
            kv_ops.HAS_TORCH, kv_ops.HAS_TRANSFORMERS = usual
            sys.modules.update(saved)
        return stand_in, outcome(call)

    def test_encode(self):
        rng = random.Random(1)
        for name, shapes in SHAPES.items():
            for dtype in DTYPES:
                with self.subTest(name=name, dtype=dtype):
                    parts = parts_of(shapes, dtype, rng)
                    stand_in, torch = self.both(lambda: kv_ops.kv_encode({}, parts))
                    self.assertEqual(stand_in, torch)
                    if name == "usual":
                        self.assertIsInstance(torch, tuple, "the comparison must not be one of two failures")

    def test_decode(self):
        rng = random.Random(2)
        for layers, heads, dim, seq in [(2, 2, 2, 3), (1, 1, 1, 1), (1, 2, 4, 0), (0, 2, 4, 3), (3, 1, 8, 2)]:
            for dtype_byte in (0, 1, 2, 3, 255):
                for cut in (0, 1, 100):
                    with self.subTest(layers=layers, dtype_byte=dtype_byte, cut=cut):
                        size = 2 * layers * heads * dim * seq * {0: 4}.get(dtype_byte, 2)
                        data = struct.pack("<IIIIB", layers, heads, dim, seq, dtype_byte) + rng.randbytes(size)
                        parts = {"kv": adapter.Part("kv", data[: len(data) - cut])}
                        stand_in, torch = self.both(lambda: kv_ops.kv_decode({}, parts))
                        self.assertEqual(stand_in, torch)

    def test_context(self):
        rng = random.Random(3)
        for dtype in DTYPES:
            with self.subTest(dtype=dtype):
                parts = parts_of(SHAPES["usual"], dtype, rng)
                fields = {"model_hash": "ab", "model_family": "llama", "hidden_dim": 8, "num_layers": 2, "num_steps": 3}
                stand_in, torch = self.both(lambda: kv_ops.context_to_bytes(fields, parts))
                # protobuf writes the entries of `extra` in no fixed order, so lengths are compared here and contents below
                self.assertEqual(len(stand_in[1][0].data), len(torch[1][0].data))
                message = {"message": stand_in[1][0]}
                stand_in, torch = self.both(lambda: kv_ops.context_from_bytes({}, message))
                self.assertEqual(stand_in, torch)


if __name__ == "__main__":
    unittest.main()
