"""KV caches and contexts. The SDK moves them as torch tensors; see numpy_torch.py for machines without torch."""

import contextlib
import importlib
import importlib.util
import sys

import numpy
from avp import context, kv_cache

from adapter import Part, part

HAS_TORCH = importlib.util.find_spec("torch") is not None
HAS_TRANSFORMERS = importlib.util.find_spec("transformers") is not None

#: The contract's element types as numpy's. bf16 has none: its bits travel as uint16.
NUMPY = {"f64": "<f8", "f32": "<f4", "f16": "<f2", "bf16": "<u2", "i8": "i1", "u8": "u1", "u32": "<u4"}

#: The SDK's words for element types, as the contract writes them.
SHORT = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "int8": "i8"}


@contextlib.contextmanager
def torch_module():
    """The real torch, or the stand-in for as long as the SDK's call lasts."""
    import numpy_torch

    stand_ins = {}
    if not HAS_TORCH:
        stand_ins["torch"] = numpy_torch
    if not HAS_TRANSFORMERS:
        stand_ins["transformers"] = stand_ins["transformers.cache_utils"] = numpy_torch
    sys.modules.update(stand_ins)
    try:
        yield importlib.import_module("torch")
    finally:
        for name in stand_ins:
            del sys.modules[name]


def to_tensor(torch, given):
    array = numpy.frombuffer(given.data, dtype=NUMPY[given.dtype]).reshape(given.shape)
    if given.dtype == "bf16":
        tensor = torch.from_numpy(array.view(numpy.int16).copy()).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(array.copy())
    # [heads, seq, head_dim] without its batch of one; four dimensions are handed on as they are
    return tensor.unsqueeze(0) if len(given.shape) == 3 else tensor


def from_tensor(torch, name, tensor):
    tensor = tensor.squeeze(0)
    short = SHORT[str(tensor.dtype).replace("torch.", "")]
    array = (tensor.view(torch.int16) if short == "bf16" else tensor).numpy()
    return Part(name, array.tobytes(), short, list(array.shape))


def layers_from(torch, parts):
    layers = []
    while f"k{len(layers)}" in parts:
        index = len(layers)
        layers.append(tuple(to_tensor(torch, parts[f"{name}{index}"]) for name in "kv"))
    return tuple(layers)


def layers_to(torch, layers):
    return [
        from_tensor(torch, f"{name}{index}", tensor)
        for index, (key, value) in enumerate(layers)
        for name, tensor in (("k", key), ("v", value))
    ]


def kv_encode(args, parts):
    with torch_module() as torch:
        data, _ = kv_cache.serialize_kv_cache(layers_from(torch, parts))
    return {}, [Part("kv", data)]


def kv_decode(args, parts):
    with torch_module() as torch:
        layers, header = kv_cache.deserialize_kv_cache(part(parts, "kv"))
        out = layers_to(torch, layers)
    return {
        "num_layers": header.num_layers,
        "num_kv_heads": header.num_kv_heads,
        "head_dim": header.head_dim,
        "seq_len": header.seq_len,
        "dtype": SHORT[header.dtype],
    }, out


def kv_size(args, parts):
    long_name = {short: name for name, short in SHORT.items()}[args["dtype"]]
    sizes = [args[name] for name in ("num_layers", "num_kv_heads", "head_dim", "seq_len")]
    return {"bytes": kv_cache.estimate_kv_cache_size(*sizes, dtype=long_name)}, ()


#: What an AVPContext itself holds, and what to_bytes() is told besides.
CONTEXT_FIELDS = ("model_hash", "model_family", "hidden_dim", "num_layers", "num_steps", "seq_len")
ADDRESS_FIELDS = ("session_id", "source_agent_id", "target_agent_id", "model_id")


#: Releases before 0.3.0 know caches only.
HAS_LAST_HIDDEN = "last_hidden_state" in context.AVPContext.__dataclass_fields__


def state_from(torch, parts):
    """The hidden state [n, D], whether it is all that the context has or stands beside a cache."""
    given = parts.get("hidden", parts.get("last_hidden"))
    return None if given is None else to_tensor(torch, given)


def context_to_bytes(args, parts):
    with torch_module() as torch:
        fields = {"model_hash": "", "num_steps": 0, "seq_len": 0}
        fields.update({name: args[name] for name in CONTEXT_FIELDS if name in args})
        if HAS_LAST_HIDDEN:
            fields["last_hidden_state"] = state_from(torch, parts)
        made = context.AVPContext(past_key_values=layers_from(torch, parts) or None, **fields)
        message = made.to_bytes(**{name: args[name] for name in ADDRESS_FIELDS if name in args})
    return {}, [Part("message", message)]


def context_from_bytes(args, parts):
    with torch_module() as torch:
        options = {"device": args["device"]} if "device" in args else {}
        read = context.AVPContext.from_bytes(part(parts, "message"), **options)
        layers = kv_cache.dynamic_cache_to_legacy(read.past_key_values)
        out = layers_to(torch, layers)
    ok = {name: getattr(read, name) for name in CONTEXT_FIELDS}
    held = {"cache": read.past_key_values, "hidden": getattr(read, "last_hidden_state", None)}
    ok["holds"] = [name for name, tensors in held.items() if tensors is not None]
    return ok, out


def operations():
    return {
        "kv_encode": kv_encode,
        "kv_decode": kv_decode,
        "kv_size": kv_size,
        "context_to_bytes": context_to_bytes,
        "context_from_bytes": context_from_bytes,
    }


def has_cuda():
    if not HAS_TORCH:
        return False
    import torch

    return torch.cuda.is_available()


def features():
    return {
        "torch": "torch" if HAS_TORCH else "numpy stand-in",
        "transformers": "transformers" if HAS_TRANSFORMERS else "stand-in",
        "engine": HAS_TORCH or HAS_TRANSFORMERS,
        "cuda": has_cuda(),
    }
