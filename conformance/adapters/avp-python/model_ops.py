"""Language models through the SDK's HuggingFaceConnector, where torch and transformers are installed.

A model comes with each request as config.json and safetensors. Prompts are token ids, so the connector gets a tokenizer
whose texts are ids in decimal: the SDK renders and tokenises such a text back into the same ids.
"""

import hashlib
import inspect
import json
import os
import tempfile
from collections import OrderedDict

from adapter import Part, part
from kv_ops import HAS_TORCH, HAS_TRANSFORMERS, from_tensor

#: Connectors that are kept: a request or two ask the same model.
KEPT = 4

_connectors = OrderedDict()


class Numerals:
    """A tokenizer as far as the connector asks one. Id 12 is the text "12"; texts are joined by blanks."""

    chat_template = "ids"

    def __init__(self, config, vocab=None):
        self.eos_token_id = self.pad_token_id = config["eos_token_id"]
        self.bos_token_id = config["bos_token_id"]
        self.vocab_size = config["vocab_size"]
        self.vocab = vocab

    def get_vocab(self):
        return self.vocab or {str(index): index for index in range(self.vocab_size)}

    def apply_chat_template(self, messages, tokenize, add_generation_prompt):
        return " ".join(message["content"] for message in messages)

    def __call__(self, text, return_tensors, add_special_tokens):
        import torch

        ids = torch.tensor([self.encode(text)], dtype=torch.long)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def encode(self, text, add_special_tokens=False):
        return [int(word) for word in text.split()]

    def decode(self, ids, skip_special_tokens):
        return " ".join(str(int(index)) for index in ids if not (skip_special_tokens and index == self.eos_token_id))


def connect(config, weights, vocab=None):
    """A connector to the model, whose tokens may have other names than their ids."""
    import torch
    from avp.connectors.huggingface import HuggingFaceConnector
    from avp.realign import compute_realignment_matrix
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump(config, file)
        with open(os.path.join(folder, "model.safetensors"), "wb") as file:
            file.write(weights)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    # The connector hashes what transformers makes of a configuration, its own release and the folder included. Here a
    # model is what the request says that it is.
    model.config.to_dict = lambda: dict(config)
    connector = HuggingFaceConnector(model=model, tokenizer=Numerals(config, vocab))
    if connector.needs_realignment():
        # Computed now: the SDK's own way leads through a cache in the user's home, kept by configuration alone.
        connector._w_realign, connector._target_norm = compute_realignment_matrix(model)
    return connector


def connector_of(args, parts):
    weights = part(parts, "weights")
    key = hashlib.sha256(json.dumps(args["config"]).encode() + bytes(weights)).digest()
    if key not in _connectors:
        _connectors[key] = connect(args["config"], weights)
        if len(_connectors) > KEPT:
            _connectors.popitem(last=False)
    return _connectors[key]


def context_of(parts):
    from avp.context import AVPContext

    return AVPContext.from_bytes(parts["context"].data) if "context" in parts else None


def prompt_of(args):
    return " ".join(str(index) for index in args["ids"])


def think(args, parts):
    import torch
    from avp.metrics import TransferDiagnostics

    connector, context = connector_of(args, parts), context_of(parts)
    chosen = {"steps": args["steps"]} if "steps" in args else {}
    if "output" in args:
        # Releases differ in the enum's name.
        chosen["output"] = type(inspect.signature(connector.think).parameters["output"].default)(args["output"])
    seen = TransferDiagnostics()
    made = connector.think(prompt_of(args), context=context, _diagnostics=seen, **chosen)
    out = [from_tensor(torch, "hidden", made.last_hidden_state.unsqueeze(0))]
    if made.past_key_values is not None:
        out.append(Part("message", made.to_bytes()))
    return {
        "model_hash": made.model_hash,
        "num_steps": made.num_steps,
        "seq_len": made.seq_len,
        "payload_type": made.payload_type.name,
        "prompt_tokens": seen.prompt_tokens,
        "has_nan": seen.has_nan,
        "has_inf": seen.has_inf,
        "norm_trajectory": seen.norm_trajectory,
    }, out


def generate(args, parts):
    connector, context = connector_of(args, parts), context_of(parts)
    seen, generate = {}, connector.model.generate

    def watched(**given):
        seen["out"] = generate(**given)
        return seen["out"]

    # The SDK answers text without the token that ended it.
    connector.model.generate = watched
    try:
        connector.generate(prompt_of(args), context=context, max_new_tokens=args["max_tokens"], do_sample=False)
    finally:
        del connector.model.generate
    ids = seen["out"].sequences[0, len(args["ids"]) :].tolist()
    return {"ids": ids, "finish": "stop" if ids[-1] == connector.tokenizer.eos_token_id else "length"}, ()


def connector_info(args, parts):
    connector = connector_of(args, parts)
    identity = connector.get_model_identity()
    names = ("model_family", "model_id", "model_hash", "hidden_dim", "num_layers", "num_kv_heads", "head_dim")
    return {
        "identity": {name: getattr(identity, name) for name in names},
        "hidden_dim": identity.hidden_dim,
        "num_layers": identity.num_layers,
        "context_length": connector.context_length,
        "vocab_size": connector.vocab_size,
        "device": connector.device,
        "dtype": connector.dtype,
        "stop_tokens": sorted(connector.stop_token_ids),
    }, ()


def can_run_models():
    """Whether this release thinks and says what kind of context it leaves behind (0.5.0 and later), and can do so here."""
    if not (HAS_TORCH and HAS_TRANSFORMERS):
        return False
    from avp.connectors.huggingface import HuggingFaceConnector

    think = getattr(HuggingFaceConnector, "think", None)
    return think is not None and "output" in inspect.signature(think).parameters


def operations():
    return {"think": think, "generate": generate, "connector_info": connector_info} if can_run_models() else {}


def features():
    missing = [name for name, there in (("torch", HAS_TORCH), ("transformers", HAS_TRANSFORMERS)) if not there]
    return {"models": can_run_models() or f"not here: {', '.join(missing) or 'this release has none'}"}
