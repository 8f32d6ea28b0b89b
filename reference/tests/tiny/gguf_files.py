"""Writes `model.gguf` beside the weights of tiny models: the same numbers in the order and under the names of GGUF.

    python gguf_files.py [NAME ...]

Conventions as llama.cpp's converter has them: rows of queries and keys of Llama, Mistral and SmolLM3 with the halves of
each head alternating, norms of Gemma with one added, Llama 3's scaling as a tensor of divisors. What transformers reads of
the families that it knows is held against the weights. Needs the package `gguf` (written for 0.19) beside those of make.py.
"""

import json
import math
import pathlib
import sys

import gguf
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

HERE = pathlib.Path(__file__).resolve().parent

#: model_type -> architecture, whether the halves of heads alternate, whether transformers reads such files
FAMILIES = {
    "llama": ("LLAMA", True, True),
    "mistral": ("LLAMA", True, False),
    "smollm3": ("SMOLLM3", True, False),
    "qwen2": ("QWEN2", False, True),
    "qwen3": ("QWEN3", False, True),
    "gemma": ("GEMMA", False, False),
    "gemma2": ("GEMMA2", False, True),
    "gemma3_text": ("GEMMA3", False, True),
}

MODELS = (
    *("llama-untied-rope3", "llama-bias", "qwen2-untied", "qwen3-tied", "qwen3-untied", "qwen3-yarn"),
    *("mistral", "smollm3", "gemma", "gemma2", "gemma3"),
)


def alternating(weight, heads):
    """Rows 0, n/2, 1, n/2 + 1, ... of each head of n rows."""
    return weight.reshape(heads, 2, -1, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)


def divisors(config, rope):
    """Llama 3's scaling, a divisor for each frequency."""
    half = config["head_dim"] // 2
    original, factor = rope["original_max_position_embeddings"], rope["factor"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    out = []
    for index in range(half):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (index / half)
        turns = original / wavelength
        smooth = min(max((turns - low) / (high - low), 0), 1)
        out.append(1 / ((1 - smooth) / factor + smooth))
    return torch.tensor(out, dtype=torch.float32)


def describe(writer, config, rope):
    """Keys that the family's files have."""
    kind = config["model_type"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    # Their number is what some readers take for the size of the vocabulary.
    writer.add_token_list([f"<{index}>" for index in range(config["vocab_size"])])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    if config.get("head_dim"):
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
    if FAMILIES[kind][1]:
        writer.add_vocab_size(config["vocab_size"])
        writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])
    if kind == "gemma3_text":
        writer.add_rope_freq_base_swa(rope["sliding_attention"]["rope_theta"])
        rope = rope["full_attention"]
    if kind not in ("gemma", "gemma2"):
        writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if kind in ("gemma2", "gemma3_text"):
        writer.add_sliding_window(config["sliding_window"])
    if kind == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])


def write(name):
    folder = HERE / name
    config = json.loads((folder / "config.json").read_text())
    kind, rope = config["model_type"], config["rope_parameters"]
    family, alternates, _ = FAMILIES[kind]
    arch = getattr(gguf.MODEL_ARCH, family)
    writer = gguf.GGUFWriter(folder / "model.gguf", gguf.MODEL_ARCH_NAMES[arch])
    writer.add_name(name)
    describe(writer, config, rope)
    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    for key, weight in sorted(load_file(folder / "model.safetensors").items()):
        if kind.startswith("gemma") and key.endswith("norm.weight"):
            weight = weight + 1
        for part, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
            if alternates and f".{part}." in key:
                weight = alternating(weight, config[heads])
        writer.add_tensor(names.get_name(key, try_suffixes=(".weight", ".bias")), weight.contiguous().numpy())
    if rope.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", divisors(config, rope).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return FAMILIES[kind][2]


def check(name):
    """Raises unless transformers reads the file as the same weights, but for rounding in Gemma's norms."""
    folder = HERE / name
    # With the configuration of the weights: transformers does not ask every file for the size of a head.
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file="model.gguf", config=config, dtype=torch.float32)
    read = model.state_dict()
    for key, weight in load_file(folder / "model.safetensors").items():
        # Of biases such files tell transformers nothing, except in a family that always has them.
        there = key in read or key.endswith(".weight")
        if there and not torch.allclose(read[key], weight, atol=2e-7):
            raise SystemExit(f"{name}: transformers reads another {key}")


def main():
    disable_progress_bar()
    set_verbosity_error()
    for name in sys.argv[1:] or MODELS:
        readable = write(name)
        if readable:
            check(name)
        print(f"{name}: {'as transformers reads it' if readable else 'unknown to transformers'}", flush=True)


if __name__ == "__main__":
    main()
