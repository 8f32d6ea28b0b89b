"""Transfers from one language model to another through the SDK's HuggingFaceConnector: `generate` with `source` and
`cross_model`. What goes on inside is watched and not touched."""

import inspect
import logging
import warnings

from avp.rosetta import registry

from adapter import part
from kv_ops import from_tensor
from model_ops import can_run_models, connect, prompt_of
from rosetta_ops import Warnings, calibration, maps, replaced


class Seen:
    """What is watched of one transfer."""

    def __init__(self):
        self.sequences = None
        self.primed = 0
        self.injected = None
        #: Where the map came from, if nothing was looked up.
        self.origin = "memory"

    def inject(self, module, args, given):
        if given.get("inputs_embeds") is not None and self.injected is None:
            self.injected = given["inputs_embeds"]

    def generating(self, generate):
        def watched(**given):
            cache = given.get("past_key_values")
            self.primed = 0 if cache is None else cache.get_seq_length()
            made = generate(**given)
            self.sequences = made.sequences
            return made

        return watched

    def loading(self, load):
        def watched(*args, **given):
            made = load(*args, **given)
            if made is not None:
                self.origin = "disk"
            return made

        return watched

    def calibrating(self, calibrate):
        def watched(*args, **given):
            self.origin = "calibrated"
            return calibrate(*args, **given)

        return watched


def carry(source, target, context, args):
    """One transfer: what was seen, and what the SDK's own diagnostics say."""
    from avp.metrics import TransferDiagnostics

    seen, told = Seen(), TransferDiagnostics()
    generate = target.model.generate
    target.model.generate = seen.generating(generate)
    hook = target.model.register_forward_pre_hook(seen.inject, with_kwargs=True)
    try:
        with (
            replaced(registry, load_map=seen.loading(registry.load_map)),
            replaced(calibration, calibrate=seen.calibrating(calibration.calibrate)),
        ):
            target.generate(
                prompt_of(args), context=context, source=source, cross_model=args.get("cross_model", True),
                max_new_tokens=args["max_tokens"], do_sample=False, _diagnostics=told,
            )
    finally:
        hook.remove()
        del target.model.generate
    return seen, told


def transfer(args, parts):
    import torch
    from avp.types import ProjectionMethod

    # New connectors each time: they keep maps in memory, under whatever cache directory they were made.
    source = connect(args["source_config"], part(parts, "source_weights"), args["source_vocab"])
    target = connect(args["config"], part(parts, "weights"), args["vocab"])
    maps(args)
    heard = Warnings()
    logger = logging.getLogger("avp")
    logger.addHandler(heard)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            context = source.think(prompt_of({"ids": args["source_ids"]}), steps=args["steps"])
            made = [carry(source, target, context, args) for _ in range(args.get("times", 1))]
    finally:
        logger.removeHandler(heard)
    seen, told = made[-1]
    latent = seen.injected is not None
    texts = [str(warning.message) for warning in warned if issubclass(warning.category, UserWarning)]
    ok = {
        "ids": seen.sequences[0, len(args["ids"]) :].tolist(),
        "latent": latent,
        "prompt_tokens": told.prompt_tokens,
        "primed_len": seen.primed,
        "origins": [seen.origin for seen, _ in made if seen.injected is not None],
        "warnings": texts + heard.texts,
    }
    if not latent:
        return ok, ()
    ok["projection_method"] = ProjectionMethod[told.projection_method].value
    ok["quality_gate_passed"] = told.quality_gate_passed
    return ok, [from_tensor(torch, "injected", seen.injected)]


def can_transfer():
    """Whether this release projects another model's contexts, and can do so here."""
    if not can_run_models():
        return False
    from avp.connectors.huggingface import HuggingFaceConnector

    return {"source", "cross_model"} <= inspect.signature(HuggingFaceConnector.generate).parameters.keys()


def operations():
    return {"transfer": transfer} if can_transfer() else {}


def features():
    # think() keeps the last hidden state alone.
    return {"vectors": False}
