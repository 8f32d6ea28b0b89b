"""Messages: encode, decode, hybrid payloads, the enumerations."""

import inspect
import resource

from avp import avp_pb2, codec, types
from avp.compression import compress

from adapter import Part, Unsupported, part

HAS_HYBRID = hasattr(types, "FLAG_HYBRID")
HAS_CHECKSUM = "payload_checksum" in avp_pb2.Metadata.DESCRIPTOR.fields_by_name

#: Compression asked for without a level: what the SDK's own compress() takes then.
DEFAULT_LEVEL = inspect.signature(compress).parameters["level"].default

#: Fields of the metadata that are plain values on both sides.
PLAIN = (
    "session_id", "source_agent_id", "target_agent_id", "model_id", "hidden_dim", "num_layers", "compression",
    "avp_map_id", "extra",
) + (("confidence_score",) if HAS_HYBRID else ())


def metadata_from(given):
    """The contract's metadata object as the SDK's. Names that the release does not know raise KeyError."""
    fields = {name: given[name] for name in PLAIN if name in given}
    if fields.get("confidence_score") in ("nan", "inf", "-inf"):
        fields["confidence_score"] = float(fields["confidence_score"])
    if "payload_type" in given:
        fields["payload_type"] = types.PayloadType[given["payload_type"]]
    if "dtype" in given:
        fields["dtype"] = types.DataType[given["dtype"]]
    if "mode" in given:
        fields["mode"] = types.CommunicationMode[given["mode"]]
    if "tensor_shape" in given:
        fields["tensor_shape"] = tuple(given["tensor_shape"])
    return types.AVPMetadata(**fields)


def metadata_to(metadata):
    found = {name: getattr(metadata, name) for name in PLAIN}
    found["payload_type"] = metadata.payload_type.name
    found["dtype"] = metadata.dtype.name
    found["mode"] = metadata.mode.name
    found["tensor_shape"] = list(metadata.tensor_shape)
    return found


def level_from(args):
    name = args.get("compression", "none")
    return DEFAULT_LEVEL if name == "default" else types.CompressionLevel[name.upper()]


def check_checksum(args):
    """Field 15 is always written since 0.4.1 and never before; only the other wish can't be granted."""
    if HAS_CHECKSUM and args.get("checksum", True) is False:
        raise Unsupported("the checksum can't be left out")


def encode(args, parts):
    check_checksum(args)
    message = codec.encode(part(parts, "payload"), metadata_from(args.get("metadata", {})), level_from(args))
    return {}, [Part("message", message)]


def encode_hybrid(args, parts):
    chunks = args["chunks"]
    if [chunk["type"] for chunk in chunks] != ["LATENT", "TEXT"]:
        raise ValueError("encode_hybrid takes one latent chunk and one text")
    latent, text = chunks
    message = codec.encode_hybrid(
        part(parts, "c0"),
        text.get("text", ""),
        metadata_from(args.get("metadata", {})),
        level_from(args),
        latent_confidence=latent.get("confidence", 0.0),
        text_confidence=text.get("confidence", 0.0),
    )
    return {}, [Part("message", message)]


def decode(args, parts):
    message = codec.decode(part(parts, "message"))
    header = message.header
    ok = {
        "header": {
            "version": header.version,
            "flags": header.flags,
            "payload_length": header.payload_length,
            "metadata_length": header.metadata_length,
        },
        "metadata": metadata_to(message.metadata),
    }
    if getattr(message, "text_fallback", None) is not None:
        ok["text_fallback"] = message.text_fallback
    return ok, [Part("payload", message.payload)]


def decode_tensor(args, parts):
    """The SDK reads a payload as numbers through AVPMessage.embedding; the shape in the metadata is not looked at."""
    metadata = metadata_from({"dtype": args["dtype"], "tensor_shape": args.get("shape", [])})
    message = types.AVPMessage(header=types.AVPHeader(), metadata=metadata, payload=part(parts, "payload"))
    values = message.embedding
    return {"count": int(values.size)}, [Part("values", values.tobytes())]


def projection_method(args, parts):
    return {"name": types.ProjectionMethod(args["name"]).value}, ()


def rss(args, parts):
    return {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}, ()


def operations():
    found = {
        "encode": encode,
        "decode": decode,
        "decode_tensor": decode_tensor,
        "projection_method": projection_method,
        "rss": rss,
    }
    if hasattr(codec, "encode_hybrid"):
        found["encode_hybrid"] = encode_hybrid
    return found


def features():
    return {
        "zstd": True,
        "checksum": HAS_CHECKSUM,
        "checksum_off": not HAS_CHECKSUM,
        "hybrid": HAS_HYBRID,
        "embedding": hasattr(types.PayloadType, "EMBEDDING"),
        "auto_dialect": False,
    }
