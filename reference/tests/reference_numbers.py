"""What transformers and the Python SDK compute for a model: hidden states, caches, latent steps, greedy text.

Shared by `tiny/make.py`, `oracle/make.py` and `interchange/interchange.py`. Needs torch, transformers and the package
`avp` (written for torch 2.15, transformers 5.23, avp 0.6.2). Everything runs on the CPU in float32 on one thread: sums in
another order are other numbers.
"""

import importlib.metadata

import torch
from avp.realign import apply_realignment, compute_realignment_matrix, compute_target_norm, project_to_embedding_space
from transformers import DynamicCache

torch.set_num_threads(1)


def versions():
    """Releases that the numbers come from."""
    return {name: importlib.metadata.version(name) for name in ("avp", "numpy", "torch", "transformers")}


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
    """Computes the connector's matrix. Its own way goes through a disk cache keyed by the config alone, where models
    with one config and other weights would meet."""
    if connector.needs_realignment():
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


def worst(found, expected):
    """Largest absolute difference and relative error (L2) of two tensors of one shape."""
    if found.shape != expected.shape:
        raise ValueError(f"shape {tuple(found.shape)} instead of {tuple(expected.shape)}")
    difference = found.double() - expected.double()
    return difference.abs().max().item(), (difference.norm() / expected.double().norm()).item()
