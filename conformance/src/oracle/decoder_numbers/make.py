"""Writes numbers.json beside this file: what transformers computes for two models of `build::TinyModel`, for the self-test
of the decoder oracle. The weights are made here again, so that the numbers speak for the models as well.

    python make.py

with torch 2.15, transformers 5.23 and avp 0.6.2.
"""

import json
import pathlib

import numpy
import torch
from avp.realign import apply_realignment, compute_realignment_matrix, project_to_embedding_space
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
MASK = (1 << 64) - 1
STEPS, WRITTEN = 3, 6

SIZES = {
    "hidden_size": 16,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 32,
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
}

#: (name, configuration, seed, prompt)
MODELS = [
    (
        "llama-tied",
        LlamaConfig(**SIZES, head_dim=6, tie_word_embeddings=True),
        LlamaForCausalLM,
        17,
        [5, 31, 2, 9, 9, 14],
    ),
    ("qwen2-untied", Qwen2Config(**SIZES, tie_word_embeddings=False), Qwen2ForCausalLM, 18, [7, 20, 3, 11, 0, 30, 8]),
]


def units(seed):
    """The 24 upper bits of SplitMix64's outputs as numbers from -1 up to 1."""
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        yield numpy.float32((z >> 40) / (1 << 23) - 1)


def order(config, tied):
    """Names of the tensors, in the order in which they are drawn."""
    yield "model.embed_tokens.weight"
    for layer in range(config.num_hidden_layers):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight"
        for part in ("q_proj", "k_proj", "v_proj"):
            yield f"{prefix}self_attn.{part}.weight"
            if config.model_type == "qwen2":
                yield f"{prefix}self_attn.{part}.bias"
        yield prefix + "self_attn.o_proj.weight"
        yield prefix + "post_attention_layernorm.weight"
        for part in ("gate_proj", "up_proj", "down_proj"):
            yield f"{prefix}mlp.{part}.weight"
    yield "model.norm.weight"
    if not tied:
        yield "lm_head.weight"


@torch.no_grad()
def fill(model, seed):
    source = units(seed)
    weights = dict(model.named_parameters())
    for name in order(model.config, model.config.tie_word_embeddings):
        weight = weights.pop(name)
        if "norm" in name:
            centre, reach = numpy.float32(1), numpy.float32(0.5)
        elif name.endswith("bias"):
            centre, reach = numpy.float32(0), numpy.float32(0.5)
        elif "embed_tokens" in name or "lm_head" in name:
            centre, reach = numpy.float32(0), numpy.float32(0.7)
        else:
            centre, reach = numpy.float32(0), numpy.sqrt(numpy.float32(3) / numpy.float32(weight.shape[1]))
        drawn = numpy.array([centre + reach * next(source) for _ in range(weight.numel())], dtype=numpy.float32)
        weight.copy_(torch.from_numpy(drawn).reshape(weight.shape))
    if weights:
        raise SystemExit(f"not filled: {sorted(weights)}")


@torch.no_grad()
def measure(model, ids):
    cache = DynamicCache()

    def forward(**given):
        out = model(**given, past_key_values=cache, use_cache=True, output_hidden_states=True)
        return out.hidden_states[-1][:, -1], out.logits[0, -1]

    tied = model.config.tie_word_embeddings
    w, norm = (None, None) if tied else compute_realignment_matrix(model)
    hidden, _ = forward(input_ids=torch.tensor([ids]))
    states = [hidden]
    for _ in range(STEPS):
        if tied:
            embed = project_to_embedding_space(hidden, model.get_input_embeddings().weight)
        else:
            embed = apply_realignment(hidden, w, norm)
        hidden, _ = forward(inputs_embeds=torch.as_tensor(embed)[None])
        states.append(hidden)
    layers = [(layer.keys[0].clone(), layer.values[0].clone()) for layer in cache.layers]
    written, margins = [], []
    _, logits = forward(input_ids=torch.tensor([ids]))
    while len(written) < WRITTEN:
        top = logits.topk(2)
        margins.append((top.values[0] - top.values[1]).item())
        written.append(top.indices[0].item())
        _, logits = forward(input_ids=torch.tensor([written[-1:]]))
    if min(margins) < 0.01 or model.config.eos_token_id in written:
        raise SystemExit(f"another seed: {written} {margins}")
    return {"states": torch.cat(states), "k1": layers[1][0], "v0": layers[0][1]}, written


def main():
    torch.set_num_threads(1)
    out = {}
    for name, config, kind, seed, ids in MODELS:
        model = kind(config).eval()
        fill(model, seed)
        arrays, written = measure(model, ids)
        out[name] = {"seed": seed, "ids": ids, "steps": STEPS, "greedy": written}
        for key, value in arrays.items():
            out[name][key] = [float(f"{number:.7g}") for number in value.flatten().tolist()]
    (HERE / "numbers.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
