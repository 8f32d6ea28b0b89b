"""Realignment, norms and soft embedding.

Since 0.4.0 the SDK applies a matrix and makes soft embeddings with numpy alone. What it computes with torch (the matrix,
the target norm, and everything before 0.4.0) is there only where torch is: a stand-in would be judged in its place.
"""

import importlib
import os

import numpy
from avp import realign

from adapter import Part
from kv_ops import HAS_TORCH, NUMPY

#: Whether arrays go in and come out, rather than torch tensors.
TAKES_ARRAYS = hasattr(realign, "_to_numpy")


def array(given):
    """A part's values as float32, which holds all of them. numpy has no bfloat16: its bits are the upper half."""
    values = numpy.frombuffer(given.data, dtype=NUMPY[given.dtype])
    if given.dtype == "bf16":
        values = (values.astype("<u4") << 16).view("<f4")
    return values.astype("<f4").reshape(given.shape)


def tensor(given):
    """A part as a torch tensor of its own element type."""
    import torch

    values = torch.from_numpy(array(given).copy())
    return values.to({"bf16": torch.bfloat16, "f16": torch.float16}.get(given.dtype, torch.float32))


def needed(parts, name):
    return array(parts[name]) if TAKES_ARRAYS else tensor(parts[name])


def answer(name, values):
    dtype = "f32"
    if not isinstance(values, numpy.ndarray):
        # Before 0.4.0 a state comes back in its own element type; the harness must know what was rounded.
        dtype = {"torch.bfloat16": "bf16", "torch.float16": "f16"}.get(str(values.dtype), "f32")
        values = values.detach().float().numpy()
    values = numpy.ascontiguousarray(values, dtype="<f4")
    if dtype == "bf16":
        data = (values.view("<u4") >> 16).astype("<u2")
    else:
        data = values.astype(NUMPY[dtype])
    return Part(name, data.tobytes(), dtype, list(values.shape))


class Weights:
    def __init__(self, weight):
        self.weight = weight


class Model:
    """What the SDK asks a model for: its two embeddings and a device. One that is not there is None."""

    def __init__(self, parts):
        self.embeddings = {name: Weights(tensor(parts[name])) for name in ("e_in", "e_out") if name in parts}

    def get_input_embeddings(self):
        return self.embeddings.get("e_in")

    def get_output_embeddings(self):
        return self.embeddings.get("e_out")

    def parameters(self):
        return iter([weights.weight for weights in self.embeddings.values()])


def target_norm(args, parts):
    return {"value": float(realign.compute_target_norm(Model(parts)))}, ()


def matrix_answer(made):
    w, norm = made
    return {"target_norm": float(norm)}, [answer("w", w)]


def realign_matrix(args, parts):
    chosen = {"lambda_reg": args["lambda"]} if "lambda" in args else {}
    return matrix_answer(realign.compute_realignment_matrix(Model(parts), **chosen))


def realign_cached(args, parts):
    # The SDK reads the variable when the module is loaded.
    os.environ["AVP_CACHE_DIR"] = args["cache_dir"]
    module = importlib.reload(realign)
    return matrix_answer(module.get_or_compute_realignment(Model(parts), args["model_hash"]))


def realign_apply(args, parts):
    made = realign.apply_realignment(needed(parts, "hidden"), needed(parts, "w"), args["target_norm"])
    return {}, [answer("aligned", made)]


def normalize(args, parts):
    return {}, [answer("out", realign.normalize_to_target(needed(parts, "hidden"), args["target_norm"]))]


def soft_embed(args, parts):
    temperature = float(args["temperature"])  # the names of NaN and the infinities too
    made = realign.project_to_embedding_space(needed(parts, "hidden"), needed(parts, "embed"), temperature)
    return {}, [answer("out", made)]


def needs_realignment(args, parts):
    return {"value": realign.needs_realignment(args["config"])}, ()


def operations():
    found = {"needs_realignment": needs_realignment}
    if TAKES_ARRAYS or HAS_TORCH:
        found.update(realign_apply=realign_apply, normalize=normalize, soft_embed=soft_embed)
    if HAS_TORCH:
        found.update(target_norm=target_norm, realign_matrix=realign_matrix, realign_cached=realign_cached)
    return found


def features():
    # Rescaling is decided inside the connectors; no function takes it.
    return {"rescale_soft_embedding": False}
