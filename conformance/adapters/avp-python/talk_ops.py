"""Hashes, identities, hello, resolution, sessions, JSON messages, the per-transfer gate."""

import contextlib
import importlib
import inspect
import json
import os
import tempfile
import threading
import warnings
from pathlib import Path

from avp import avp_pb2, fallback, handshake, session, types

from adapter import Part, Unsupported, part

HAS_OVERLAP = "source_tokenizer" in inspect.signature(handshake.CompatibilityResolver.resolve).parameters


def json_part(value):
    return [Part("json", json.dumps(value).encode())]


# --- hashes

def with_integer_keys(config, pointers):
    """Turns the named members' keys into the integers that they were in memory."""
    for pointer in pointers:
        *path, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        target = config
        for step in path:
            target = target[int(step)] if isinstance(target, list) else target[step]
        target[int(last)] = target.pop(last)
    return config


def model_hash(args, parts):
    config = with_integer_keys(json.loads(args["json"]), args.get("int_keys", []))
    return {"hex": handshake.compute_model_hash(config)}, ()


def tokenizer_hash(args, parts):
    if "tokenizer_json" in args:
        raise Unsupported("the SDK reads no tokenizer.json")
    vocabulary = json.loads(args["vocab_json"]) if "vocab_json" in args else args["vocab"]
    # null stands for an object that has no vocabulary
    return {"hex": handshake.compute_tokenizer_hash(object() if vocabulary is None else vocabulary)}, ()


# --- identity and hello

def identity_from(given):
    return types.ModelIdentity(**{k: v for k, v in given.items() if k in types.ModelIdentity.__dataclass_fields__})


def identity_extract(args, parts):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        identity = handshake.extract_model_identity(args["config"])
    ok = {"identity": identity.to_dict()}
    if any("hidden_dim=0" in str(warning.message) for warning in caught):
        ok["diagnostics"] = ["hidden_dim_zero"]
    return ok, ()


def identity_encode(args, parts):
    return {}, json_part(identity_from(args["identity"]).to_dict())


def identity_decode(args, parts):
    return {"identity": types.ModelIdentity.from_dict(json.loads(part(parts, "json").decode())).to_dict()}, ()


def hello_encode(args, parts):
    given = dict(args["hello"])
    if given.get("identity") is not None:
        given["identity"] = identity_from(given["identity"])
    return {}, json_part(handshake.HelloMessage(**given).to_dict())


def hello_decode(args, parts):
    return {"hello": handshake.HelloMessage.from_dict(json.loads(part(parts, "json").decode())).to_dict()}, ()


# --- resolution

class Vocabulary:
    """As much of a tokenizer as the resolver asks for."""

    def __init__(self, tokens):
        self.tokens = tokens

    def get_vocab(self):
        return {token: index for index, token in enumerate(self.tokens)}


@contextlib.contextmanager
def map_folder(registry, maps):
    """Lets the SDK look for projection maps in a folder that holds these pairs and nothing else."""
    usual = registry._MAP_DIR
    with contextlib.ExitStack() as stack:
        # Without maps no folder is needed: a path below a file never exists.
        folder = Path(os.devnull, "none")
        if maps:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="avp-maps-")))
        for source, target in maps:
            (folder / registry._map_filename(source, target)).touch()
        registry._MAP_DIR = folder
        try:
            yield
        finally:
            registry._MAP_DIR = usual


def resolve(args, parts):
    from avp.rosetta import registry

    tokenizers = {}
    if HAS_OVERLAP:
        for name, key in (("source_tokenizer", "local_vocab"), ("target_tokenizer", "remote_vocab")):
            if args.get(key) is not None:
                tokenizers[name] = Vocabulary(args[key])
    with map_folder(registry, args.get("maps", [])):
        local, remote = identity_from(args["local"]), identity_from(args["remote"])
        result = handshake.CompatibilityResolver.resolve(local, remote, **tokenizers)
    ok = {
        "mode": result.mode.name,
        "avp_map_id": result.avp_map_id,
        "session_id": result.session_id,
        "local": result.local_identity.to_dict(),
        "remote": result.remote_identity.to_dict(),
    }
    if hasattr(result, "resolution_path"):
        ok["resolution_path"] = result.resolution_path
    return ok, ()


def vocab_overlap(args, parts):
    import numpy

    compute = member("avp.rosetta.calibrate", "_compute_vocab_overlap")
    source, target = Vocabulary(()), Vocabulary(())
    source.get_vocab, target.get_vocab = (lambda: args["a"]), (lambda: args["b"])
    found = compute(source, target, min_overlap=1)
    source_ids, target_ids, tokens = found if found is not None else ((), (), ())
    ids = lambda values: numpy.asarray(values, dtype="<u4").tobytes()  # noqa: E731
    shape = [len(tokens)]
    # The SDK's ratio is overlap / min(vocabulary sizes), computed inside calibrate() only; it is left out here.
    return {"count": len(tokens)}, [
        Part("src_indices", ids(source_ids), "u32", shape),
        Part("tgt_indices", ids(target_ids), "u32", shape),
    ]


def assess_transfer(args, parts):
    from avp.rosetta import quality

    config = None
    if args.get("max_prompt_tokens") is not None:
        config = quality.TransferQualityConfig(max_prompt_tokens=args["max_prompt_tokens"])
    result = quality.assess_transfer(args["prompt_tokens"], config=config)
    return {"recommend_latent": bool(result.recommend_latent)}, ()


# --- sessions

class Clock:
    """Stands in for the module `time` inside avp.session: the harness sets it."""

    #: Far from zero, so that a time of 0 that was never set shows.
    EPOCH = 1_700_000_000.0

    def __init__(self):
        self.now = 0.0

    def time(self):
        return self.EPOCH + self.now


class Script:
    """A session store under the harness's clock."""

    def __init__(self, args, clock):
        self.clock = clock
        self.store = session.SessionManager(**({"default_ttl": args["ttl"]} if "ttl" in args else {}))
        self.ids = {}

    def label(self, session_id):
        return next((label for label, known in self.ids.items() if known == session_id), session_id)

    def event(self, step):
        self.clock.now = step["at"]
        action, label = step["do"], step.get("session", "")
        session_id = self.ids.get(label, label)
        if action == "create":
            agents = step.get("agents", [])
            mode = types.CommunicationMode[step.get("mode", "LATENT")]
            made = self.store.create(agents, {a: types.ModelIdentity() for a in agents}, mode, step.get("ttl"))
            self.ids[label] = made.session_id
            return {"session": label, "ttl": made.ttl, "mode": made.mode.name}
        if action == "get":
            return {"found": self.store.get(session_id) is not None}
        if action == "invalidate":
            return {"found": self.store.invalidate(session_id)}
        if action == "find":
            return {"sessions": [self.label(found.session_id) for found in self.store.find(step["agent"])]}
        if action == "cleanup":
            return {"removed": self.store.cleanup_expired()}
        if action == "count":
            return {"active": self.store.active_count}
        if action == "stored":
            return {"stored": len(self.store._sessions)}
        raise Unsupported(f"the SDK has no {action} for sessions")


def session_script(args, parts):
    usual, session.time = session.time, Clock()
    try:
        script = Script(args, session.time)
        return {"events": [script.event(step) for step in args["steps"]]}, ()
    finally:
        session.time = usual


def session_stress(args, parts):
    store = session.SessionManager()
    totals, lock = {"created": 0, "found": 0, "removed": 0}, threading.Lock()
    errors = []

    def work(number):
        created = found = removed = 0
        try:
            for index in range(args["per_thread"]):
                agents = [f"a{number}", f"b{index}"]
                made = store.create(agents, {}, types.CommunicationMode.LATENT)
                created += 1
                got = store.get(made.session_id)
                found += got is made
                if index % 2:
                    removed += store.invalidate(made.session_id)
        except Exception as error:
            errors.append(error)
        with lock:
            for name, count in (("created", created), ("found", found), ("removed", removed)):
                totals[name] += count

    threads = [threading.Thread(target=work, args=(number,)) for number in range(args["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return {**totals, "active": store.active_count}, ()


# --- JSON messages

def json_encode(args, parts):
    return {}, [Part("json", fallback.JSONMessage(**args["message"]).to_json().encode())]


def json_decode(args, parts):
    return {"message": fallback.JSONMessage.from_json(part(parts, "json").decode()).to_dict()}, ()


def fallback_encode(args, parts):
    if args["form"] == "proto":
        return {}, [Part("data", avp_pb2.FallbackRequest(**args["request"]).SerializeToString())]
    return {}, [Part("data", fallback.FallbackRequest(**args["request"]).to_json().encode())]


def fallback_decode(args, parts):
    data = part(parts, "data")
    if args["form"] == "proto":
        read = avp_pb2.FallbackRequest.FromString(data)
        return {"request": {k: getattr(read, k) for k in ("session_id", "reason", "perplexity_score")}}, ()
    return {"request": fallback.FallbackRequest.from_json(data.decode()).to_dict()}, ()


def unpack_detect(args, parts):
    from avp import easy

    return {"format": easy._detect_format(part(parts, "data"))}, ()


def member(module, name):
    """A member of a module that only some releases have, or None."""
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def operations():
    found = {
        "model_hash": model_hash,
        "tokenizer_hash": tokenizer_hash,
        "identity_extract": identity_extract,
        "identity_encode": identity_encode,
        "identity_decode": identity_decode,
        "hello_encode": hello_encode,
        "hello_decode": hello_decode,
        "resolve": resolve,
        "session_script": session_script,
        "session_stress": session_stress,
        "json_encode": json_encode,
        "json_decode": json_decode,
    }
    if hasattr(fallback, "FallbackRequest"):
        found["fallback_encode"] = fallback_encode
        found["fallback_decode"] = fallback_decode
    if types.AVP_VERSION_HEADER == "0.2" and member("avp.easy", "_detect_format"):
        found["unpack_detect"] = unpack_detect
    if member("avp.rosetta.quality", "assess_transfer"):
        found["assess_transfer"] = assess_transfer
    overlap = member("avp.rosetta.calibrate", "_compute_vocab_overlap")
    # Before 0.4.0 it builds torch tensors.
    if overlap and "numpy" in overlap.__code__.co_names:
        found["vocab_overlap"] = vocab_overlap
    return found


def features():
    return {
        "overlap": HAS_OVERLAP,
        "int_keys": True,
        "vocab_json": True,
        "tokenizer_json": False,
        "session_require": False,
        "session_stored": True,
    }
