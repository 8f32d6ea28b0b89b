"""What stands above the codec and needs no model: the context store, inspection, diagnostics, catalogues of names."""

import dataclasses
import importlib
import inspect
import logging
import threading
import warnings

from avp import errors

from adapter import CODES, Part, Unsupported, part
from talk_ops import Clock, member


# --- the store of contexts

class Warned(logging.Handler):
    """Counts what the SDK's store logs."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record):
        self.count += 1


class StoreScript:
    """A store under the harness's clock. Its contexts are labels: the SDK does not look into what it keeps."""

    def __init__(self, module, args):
        self.clock = module.time
        self.store = module.ContextStore(**({"default_ttl": args["ttl"]} if "ttl" in args else {}))
        self.warned = Warned()

    def event(self, step):
        self.clock.now = step["at"]
        action, key = step["do"], step.get("key", "")
        if action == "store":
            self.store.store(key, step["value"], ttl=step.get("ttl"))
            return {}
        if action == "get":
            before = self.warned.count
            value = self.store.get(key)
            return {"value": value, "warned": self.warned.count > before}
        if action == "contains":
            return {"found": key in self.store}
        if action == "remove":
            return {"found": self.store.remove(key)}
        if action == "clear":
            self.store.clear()
            return {}
        if action == "keys":
            return {"keys": self.store.keys()}
        if action == "len":
            # what len() of later releases gives
            return {"len": self.store.active_count}
        if action == "cleanup":
            return {"removed": self.store.cleanup_expired()}
        if action == "stored":
            return {"stored": len(self.store._entries)}
        raise Unsupported(f"the SDK has no {action} for contexts")


def store_script(args, parts):
    module = importlib.import_module("avp.context_store")
    logger = logging.getLogger(module.__name__)
    usual, module.time = module.time, Clock()
    try:
        script = StoreScript(module, args)
        logger.addHandler(script.warned)
        try:
            return {"events": [script.event(step) for step in args["steps"]]}, ()
        finally:
            logger.removeHandler(script.warned)
    finally:
        module.time = usual


def store_stress(args, parts):
    store = importlib.import_module("avp.context_store").ContextStore()
    totals, lock, failures = {"stored": 0, "found": 0, "removed": 0}, threading.Lock(), []

    def work(number):
        stored = found = removed = 0
        try:
            for index in range(args["per_thread"]):
                key, value = f"{number}/{index}", object()
                store.store(key, value)
                stored += 1
                found += store.get(key) is value
                if index % 2:
                    removed += store.remove(key)
        except Exception as error:
            failures.append(error)
        with lock:
            for name, count in (("stored", stored), ("found", found), ("removed", removed)):
                totals[name] += count

    threads = [threading.Thread(target=work, args=(number,)) for number in range(args["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {**totals, "len": store.active_count}, ()


# --- looking into messages and transfers

def inspect_message(args, parts):
    from avp import easy

    found = easy.inspect(part(parts, "message"))
    # a dict until 0.4.0, a dataclass since
    return dict(found) if isinstance(found, dict) else dataclasses.asdict(found), ()


def diagnostics(args, parts):
    made = member("avp.metrics", "TransferDiagnostics")(**args)
    return {"healthy": made.healthy, "summary": made.summary()}, ()


def word_overlap(args, parts):
    from avp import easy

    return {"overlap": easy._compute_word_overlap(args["a"], args["b"])}, ()


# --- names

def metrics_catalog(args, parts):
    module = importlib.import_module("avp.metrics")
    made_here = lambda cls: dataclasses.is_dataclass(cls) and cls.__module__ == module.__name__  # noqa: E731
    types = inspect.getmembers(module, lambda value: inspect.isclass(value) and made_here(value))
    return {"types": {name: [field.name for field in dataclasses.fields(cls)] for name, cls in types}}, ()


def error_catalog(args, parts):
    codes = {**CODES, "FallbackRequested": "fallback_requested"}
    found = {}
    for name, cls in inspect.getmembers(errors, inspect.isclass):
        if cls.__module__ == errors.__name__ and name in codes:
            parents = [parent.__name__ for parent in cls.__mro__[1:]]
            found[codes[name]] = next((codes[parent] for parent in parents if parent in codes), None)
    return {"errors": found}, ()


# --- pack and unpack, which 0.4.0 took away

def easy_pack(args, parts):
    from avp import easy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return {}, [Part("data", bytes(easy.pack(args["content"])))]


def easy_unpack(args, parts):
    from avp import easy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return {"content": easy.unpack(part(parts, "data"))}, ()


def operations():
    found = {"error_catalog": error_catalog}
    if member("avp.context_store", "ContextStore"):
        found["store_script"] = store_script
        found["store_stress"] = store_stress
    if member("avp.easy", "inspect"):
        found["inspect"] = inspect_message
    if member("avp.easy", "_compute_word_overlap"):
        found["word_overlap"] = word_overlap
    if member("avp.easy", "pack"):
        found["easy_pack"] = easy_pack
        found["easy_unpack"] = easy_unpack
    if member("avp.metrics", "GenerateMetrics"):
        found["metrics_catalog"] = metrics_catalog
    if member("avp.metrics", "TransferDiagnostics"):
        found["diagnostics"] = diagnostics
    return found


def features():
    store = member("avp.context_store", "ContextStore")
    return {"store_stored": True, "store_contains": hasattr(store, "__contains__")}
