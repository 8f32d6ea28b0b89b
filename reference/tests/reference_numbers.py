"""What transformers and the Python SDK compute for a model: hidden states, caches, latent steps, greedy text.

Shared by `tiny/make.py`, `oracle/make.py`, `interchange/interchange.py` and `../benches/runtime.py`. Needs torch,
transformers and the package `avp` (written for torch 2.15, transformers 5.23, avp 0.6.2). Everything runs on the CPU in
float32 on one thread: sums in another order are other numbers. Only what times a card says another device.
"""

import importlib.metadata
import pathlib
import tempfile
import warnings

import torch
from avp.connectors.huggingface import HuggingFaceConnector
from avp.realign import apply_realignment, compute_realignment_matrix, compute_target_norm, project_to_embedding_space
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.utils.logging import disable_progress_bar

torch.set_num_threads(1)
disable_progress_bar()


def versions():
    """Releases that the numbers come from."""
    return {name: importlib.metadata.version(name) for name in ("avp", "numpy", "torch", "transformers")}


def connect(path, model_id, file_name=None, device="cpu", dtype=torch.float32):
    """The SDK's connector over a GGUF file or a folder as transformers writes it, weights in float32 unless said otherwise.

    `model_id` is what the SDK takes for the model's name, and hashes; so it does with a GGUF file's name, instead of
    which `file_name` may stand.
    """
    path = pathlib.Path(path).resolve()
    with tempfile.TemporaryDirectory() as folder:
        source = {}
        if path.is_file():
            # transformers takes a folder and a file's name in it.
            name = file_name or path.name
            (pathlib.Path(folder) / name).symlink_to(path)
            path, source = folder, {"gguf_file": name}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, **source).eval().to(device)
            tokenizer = AutoTokenizer.from_pretrained(path, **source)
    model.config._name_or_path = model_id
    connector = HuggingFaceConnector(model=model, tokenizer=tokenizer)
    prepare_realignment(connector)
    return connector


def as_batch(ids):
    """Ids as the [1, T] tensor that transformers takes."""
    return torch.tensor([list(ids)], dtype=torch.long)


def layers_of(cache):
    """(keys, values) of each layer, [kv_heads, T, head_dim], keys after RoPE."""
    return [(layer.keys[0].clone(), layer.values[0].clone()) for layer in cache.layers]


@torch.no_grad()
def prefill(model, ids):
    """One forward pass over `ids`.

    Returns logits [T, V], hidden states [L + 1, T, D] (row 0 the embeddings, the last row after the final norm) and
    each layer's keys and values. The empty cache is passed in, so that layers with a window keep all positions too.
    """
    cache = DynamicCache()
    out = model(input_ids=as_batch(ids), past_key_values=cache, use_cache=True, output_hidden_states=True)
    return out.logits[0].float(), torch.cat(out.hidden_states).float(), layers_of(cache)


def prepare_realignment(connector):
    """Computes the connector's matrix unless it has one. Its own way goes through a disk cache keyed by the config
    alone, where models with one config and other weights would meet."""
    if connector.needs_realignment() and connector._w_realign is None:
        connector._w_realign, connector._target_norm = compute_realignment_matrix(connector.model)


def latent_steps(connector, ids, steps):
    """The SDK's latent loop behind `ids`.

    Returns hidden states [steps + 1, D] (row 0 after the prompt), the embeddings [steps, D] that were injected, and the
    cache of len(ids) + steps positions.
    """
    prepare_realignment(connector)
    cache, hidden = connector.generate_latent_steps(as_batch(ids), steps, collect_hidden_states=True)
    return hidden, injected(connector, hidden[:-1]), cache


def injected(connector, hidden):
    """Embeddings [n, D] that the SDK injects for hidden states [n, D], one row a call as in its loop."""
    rows = []
    for row in hidden:
        if connector.needs_realignment():
            embed = apply_realignment(row[None], connector._w_realign, connector._target_norm)
        else:
            embed = project_to_embedding_space(row[None], connector.model.get_input_embeddings().weight)
        rows.append(torch.from_numpy(embed)[0])
    return torch.stack(rows)


def target_norm(model):
    """Mean L2 norm of the input embeddings."""
    return compute_target_norm(model)


@torch.no_grad()
def greedy(model, ids, count, cache=None):
    """`count` greedy tokens behind `ids`, which are fed behind `cache` (changed) as the SDK's generate() feeds them.

    The end token does not stop. Returns the ids and, for each, the distance from its logit to the second highest: below
    an implementation's error the choice proves nothing.
    """
    batch = as_batch(ids)
    past = cache.get_seq_length() if cache is not None else 0
    config, end = model.generation_config, model.generation_config.eos_token_id
    config.eos_token_id = None
    try:
        out = model.generate(
            input_ids=batch,
            attention_mask=torch.ones((1, past + batch.shape[1]), dtype=torch.long),
            past_key_values=cache,
            max_new_tokens=count,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
    finally:
        config.eos_token_id = end
    top = torch.cat(out.logits).float().topk(2).values
    return out.sequences[0, batch.shape[1] :].tolist(), (top[:, 0] - top[:, 1])


def continued(connector, prompt, context, count):
    """The SDK's greedy text of at most `count` tokens; the end token stops.

    Returns the text, the ids behind it (with the end token) and their margins, see `greedy`.
    """
    seen, generate = {}, connector.model.generate

    def watched(**arguments):
        seen["out"], seen["length"] = generate(**arguments), arguments["input_ids"].shape[1]
        return seen["out"]

    connector.model.generate = watched
    try:
        text = connector.generate(prompt, context=context, max_new_tokens=count, do_sample=False, output_logits=True)
    finally:
        del connector.model.generate
    top = torch.cat(seen["out"].logits).float().topk(2).values
    return text, seen["out"].sequences[0, seen["length"] :].tolist(), (top[:, 0] - top[:, 1]).tolist()


def first_difference(found, expected):
    """Index of the first id that differs, None where both lists are the same."""
    for index, (one, other) in enumerate(zip(found, expected)):
        if one != other:
            return index
    return None if len(found) == len(expected) else min(len(found), len(expected))


def worst(found, expected):
    """Largest absolute difference and relative error (L2) of two tensors of one shape."""
    if found.shape != expected.shape:
        raise ValueError(f"shape {tuple(found.shape)} instead of {tuple(expected.shape)}")
    difference = found.double() - expected.double()
    return difference.abs().max().item(), (difference.norm() / expected.double().norm()).item()
