"""ACP/1 adapter for the Python SDK `avp`, all releases from 0.2.0 to 0.6.2.

It translates and nothing else: an answer is what the installed release does. Frames and errors are handled here, the
operations are in `wire_ops.py`, `talk_ops.py`, `kv_ops.py`, `realign_ops.py`, `rosetta_ops.py`, `api_ops.py`,
`model_ops.py`, `transfer_ops.py` and `http_ops.py`. See ../../ADAPTER.md for the contract.
"""

import importlib.util
import json
import math
import os
import struct
import sys
import warnings
from collections import namedtuple

# numpy tells of every overflow, on stderr and with the path of a file. Overflows are what some cases are made of, and the
# answer shows them.
warnings.filterwarnings("ignore", category=RuntimeWarning, module="numpy|avp")

#: Largest blob that the contract allows in a frame.
MAX_BLOB = 256 << 20

#: A named piece of a frame's blob; `dtype` and `shape` are None unless it is a tensor.
Part = namedtuple("Part", "name data dtype shape", defaults=(None, None))

#: The SDK's own exception classes and the contract's codes. Looked up along the class hierarchy, most special first.
CODES = {
    "InvalidMagicError": "invalid_magic",
    "UnsupportedVersionError": "unsupported_version",
    "ShapeMismatchError": "shape_mismatch",
    "DecodeError": "decode",
    "IncompatibleModelsError": "incompatible_models",
    "HandshakeError": "handshake",
    "SessionExpiredError": "session_expired",
    "SessionError": "session",
    "TransportError": "transport",
    "ProjectionError": "projection",
    "RealignmentError": "projection",
    "ConfigurationError": "configuration",
    "EngineNotAvailableError": "engine_unavailable",
}

#: Operations that read what a peer sent. There a foreign exception is a refusal without a class; elsewhere the caller's
#: arguments were bad.
READERS = {
    "decode", "kv_decode", "decode_tensor", "identity_decode", "hello_decode", "json_decode", "fallback_decode",
    "unpack_detect", "context_from_bytes", "inspect", "easy_unpack", "map_load", "map_import",
    "call",
}


class Unsupported(Exception):
    """This release has no such operation."""


class BadRequest(Exception):
    """The request itself is incomplete: the harness's fault, or ours."""


def part(parts, name):
    """The data of a part that the operation needs."""
    if name not in parts:
        raise BadRequest(f"the request has no part {name!r}")
    return parts[name].data


def read_exactly(stream, count):
    data = stream.read(count)
    if len(data) != count:
        raise EOFError(f"{len(data)} of {count} bytes of a frame")
    return data


def read_request(stream):
    """The next request and its parts by name, or None at the end of stdin."""
    head = stream.read(8)
    if not head:
        return None
    json_len, blob_len = struct.unpack("<II", head + read_exactly(stream, 8 - len(head)))
    request = json.loads(read_exactly(stream, json_len))
    blob = read_exactly(stream, blob_len)
    parts, offset = {}, 0
    for entry in request.get("parts", []):
        end = offset + entry["len"]
        parts[entry["name"]] = Part(entry["name"], blob[offset:end], entry.get("dtype"), entry.get("shape"))
        offset = end
    return request, parts


def plain(value):
    """The value as JSON can carry it: other numbers by their names, halves of surrogate pairs replaced."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def write_answer(stream, answer, parts=()):
    if parts:
        # What no frame can carry is announced with its length; the implementation did make it.
        fits = sum(len(p.data) for p in parts) <= MAX_BLOB
        answer["parts"] = []
        for p in parts:
            entry = {"name": p.name, "len": len(p.data) if fits else 0, "dtype": p.dtype, "shape": p.shape}
            entry["omitted"] = None if fits else len(p.data)
            answer["parts"].append({key: value for key, value in entry.items() if value is not None})
        parts = parts if fits else ()
    text = json.dumps(plain(answer), allow_nan=False).encode()
    stream.write(struct.pack("<II", len(text), sum(len(p.data) for p in parts)) + text)
    for p in parts:
        stream.write(p.data)
    stream.flush()


def refusal(op, error):
    """What an exception of the SDK means in the contract's words."""
    detail = f"{type(error).__module__}.{type(error).__qualname__}: {error}"[:500]
    if isinstance(error, (MemoryError, BadRequest)):
        return {"fault": detail}
    if isinstance(error, Unsupported):
        return {"unsupported": str(error)}
    for cls in type(error).__mro__:
        if cls.__module__ == "avp.errors" and cls.__name__ in CODES:
            err = {"code": CODES[cls.__name__], "detail": detail}
            if getattr(error, "status_code", None):
                err["status"] = error.status_code
            return {"err": err}
    bad_argument = isinstance(error, (ValueError, TypeError, LookupError, ArithmeticError, struct.error))
    if bad_argument and op not in READERS:
        return {"err": {"code": "invalid_argument", "detail": detail}}
    # Neither a class of the protocol nor a crash: it counts as a refusal, with a warning for its class.
    return {"err": {"code": "foreign", "detail": detail}}


class Adapter:
    """The operations that the installed release has."""

    def __init__(self):
        import avp

        import api_ops
        import easy_ops
        import http_ops
        import kv_ops
        import model_ops
        import realign_ops
        import rosetta_ops
        import talk_ops
        import transfer_ops
        import wire_ops

        self.version = avp.__version__
        # The flags byte tells the dialect: bit 1 was HYBRID in 0.2 and is HAS_MAP since 0.3.0.
        self.spec = "0.2" if wire_ops.HAS_HYBRID else "0.4"
        modules = (
            wire_ops, talk_ops, kv_ops, realign_ops, rosetta_ops, api_ops, easy_ops, model_ops, transfer_ops,
            http_ops,
        )
        self.ops = {name: op for module in modules for name, op in module.operations().items()}
        self.features = {name: value for module in modules for name, value in module.features().items()}

    def hello(self, args):
        return {
            "acp": 1,
            "name": "avp-python",
            "version": self.version,
            "language": "python",
            "url": "https://github.com/VectorArc/avp-python",
            "specs": [self.spec],
            "ops": sorted(self.ops),
            "features": self.features,
            "inflight": 1,
            "instances": 0,
        }

    def answer(self, request, parts):
        op, args = request["op"], request.get("args", {})
        if op == "hello":
            return {"ok": self.hello(args)}, ()
        if op not in self.ops:
            return {"unsupported": f"avp {self.version} has no {op}"}, ()
        if request.get("spec", self.spec) != self.spec:
            return {"unsupported": f"avp {self.version} speaks {self.spec} only"}, ()
        try:
            ok, out = self.ops[op](args, parts)
            return {"ok": ok}, out
        except Exception as error:  # every exception of the SDK is an answer
            return refusal(op, error), ()


def main():
    # Frames go to the real stdout; whatever the SDK prints goes to stderr.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    adapter = Adapter()
    if importlib.util.find_spec("torch"):
        import torch  # noqa: F401  (seconds; better now than inside the first case)

        if "think" in adapter.ops:
            import transformers.models.llama.modeling_llama  # noqa: F401
            import transformers.models.qwen2.modeling_qwen2  # noqa: F401
    while (received := read_request(sys.stdin.buffer)) is not None:
        request, parts = received
        answer, out_parts = adapter.answer(request, parts)
        write_answer(out, {"id": request["id"], **answer}, out_parts)


if __name__ == "__main__":
    # The operations import from here; without this they would load the file a second time under its own name.
    sys.modules["adapter"] = sys.modules["__main__"]
    main()
