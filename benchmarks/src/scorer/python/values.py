# Values as JSON, by their exact types: what compares equal to everything, or prints as something else, has no form here.
import json as _json

_EXACT = 1 << 53


def encode(value, depth=0):
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -_EXACT < value < _EXACT else {"i": hex(value)}
    if kind is float:
        return {"f": repr(value)}
    if depth > 40:
        return {"o": "nested too deep"}
    if isinstance(value, int):
        return encode(int.__add__(value, 0), depth)
    if isinstance(value, str):
        return str.__add__("", value)[:]
    if isinstance(value, float):
        return {"f": float.__repr__(value)}
    if isinstance(value, list):
        return {"l": [encode(part, depth + 1) for part in list.__iter__(value)]}
    if isinstance(value, tuple):
        return {"t": [encode(part, depth + 1) for part in tuple.__iter__(value)]}
    if isinstance(value, (set, frozenset)):
        return {"s": [encode(part, depth + 1) for part in value]}
    if isinstance(value, dict):
        return {"d": [[encode(key, depth + 1), encode(part, depth + 1)] for key, part in dict.items(value)]}
    if kind is complex:
        return {"c": [repr(value.real), repr(value.imag)]}
    if kind is bytes:
        return {"b": value.hex()}
    return nodes(value, depth) or {"o": kind.__name__}


def nodes(value, depth):
    return None


def decode(form):
    if not isinstance(form, dict):
        return form
    (kind, value), = form.items()
    if kind == "i":
        return int(value, 16)
    if kind == "f":
        return float(value)
    if kind == "l":
        return [decode(part) for part in value]
    if kind == "t":
        return tuple(decode(part) for part in value)
    if kind == "s":
        return {decode(part) for part in value}
    if kind == "d":
        return {decode(key): decode(part) for key, part in value}
    if kind == "c":
        return complex(float(value[0]), float(value[1]))
    if kind == "b":
        return bytes.fromhex(value)
    raise TypeError(f"no plain value: {value}")
