"""Configs and weights of the tiny models. Sizes are small and uneven on purpose: each head_dim, row and vocabulary that
is no multiple of eight exercises the ends of vectorised loops."""

import math

import torch
from transformers import AutoModelForCausalLM
from transformers import Gemma2Config, Gemma3TextConfig, GemmaConfig, LlamaConfig
from transformers import MistralConfig, Qwen2Config, Qwen3Config, SmolLM3Config

PLAIN_ROPE = {"rope_type": "default", "rope_theta": 10_000.0}

#: Wavelengths at head_dim 12 and theta 100 are 6, 14, 29, 63, 135 and 291 positions. With an original length of 32 the
#: limits lie at 8 and 32: the first is kept, two are blended, three are divided.
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 100.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}

COMMON = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, "rope_parameters": PLAIN_ROPE}


#: Layers with a window turn by 100, the others by 1000, four times slower.
GEMMA3_ROPE = {
    "full_attention": {"rope_type": "linear", "rope_theta": 1000.0, "factor": 4.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
}


#: Indices 0 to 5 of the same wavelengths: kept, a third and two thirds of the way, divided.
YARN_ROPE = {
    "rope_type": "yarn",
    "rope_theta": 100.0,
    "factor": 4.0,
    "original_max_position_embeddings": 32,
}


def causal(kind, vocab, hidden, ffn, layers, heads, kv_heads, **more):
    config = kind(**sizes(vocab, hidden, ffn, layers, heads, kv_heads), **{**COMMON, **more})
    # Scores that are capped, or normed, have no other way than the plain one.
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager")


def llama(*shape, **more):
    return causal(LlamaConfig, *shape, **more)


def qwen2(*shape, **more):
    return causal(Qwen2Config, *shape, **more)


def sizes(vocab, hidden, ffn, layers, heads, kv_heads):
    return {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": 256,
    }


#: name -> (build, prompt length, element type on disk, largest shard in bytes)
MODELS = {
    "llama-tied": (lambda: llama(96, 32, 30, 2, 4, 2, tie_word_embeddings=True), 13, torch.float32, None),
    "llama-untied-rope3": (
        lambda: llama(64, 24, 28, 3, 2, 1, head_dim=12, rope_parameters=LLAMA3_ROPE, rms_norm_eps=1e-5),
        40,
        torch.float32,
        None,
    ),
    "llama-bias": (
        lambda: llama(72, 24, 36, 2, 4, 2, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-5),
        12,
        torch.float32,
        None,
    ),
    "llama-odd": (
        lambda: llama(67, 21, 31, 3, 3, 1, head_dim=10, tie_word_embeddings=True),
        11,
        torch.float32,
        None,
    ),
    "llama-f16": (lambda: llama(72, 24, 36, 2, 4, 2, tie_word_embeddings=True), 12, torch.float16, None),
    "llama-bf16": (lambda: llama(72, 24, 36, 2, 4, 1), 12, torch.bfloat16, None),
    "llama-sharded": (lambda: llama(80, 24, 36, 2, 4, 2), 12, torch.float32, 30_000),
    "qwen2-tied": (
        lambda: qwen2(72, 24, 36, 3, 4, 2, tie_word_embeddings=True, rope_parameters={**PLAIN_ROPE, "rope_theta": 1e6}),
        12,
        torch.float32,
        None,
    ),
    "qwen2-untied": (lambda: qwen2(80, 32, 28, 2, 4, 1), 14, torch.float32, None),
    "qwen2-window": (
        lambda: qwen2(72, 24, 36, 3, 4, 2, use_sliding_window=True, sliding_window=5, max_window_layers=1),
        17,
        torch.float32,
        None,
    ),
    "qwen3-tied": (
        lambda: causal(Qwen3Config, 72, 24, 36, 3, 4, 2, head_dim=10, tie_word_embeddings=True),
        13,
        torch.float32,
        None,
    ),
    "qwen3-untied": (
        lambda: causal(Qwen3Config, 64, 20, 28, 2, 3, 3, head_dim=8, attention_bias=True),
        12,
        torch.float32,
        None,
    ),
    "qwen3-yarn": (
        lambda: causal(Qwen3Config, 64, 20, 28, 2, 3, 1, head_dim=12, rope_parameters=YARN_ROPE),
        40,
        torch.float32,
        None,
    ),
    "mistral": (
        lambda: causal(MistralConfig, 72, 24, 36, 3, 4, 2, head_dim=10, sliding_window=8),
        17,
        torch.float32,
        None,
    ),
    "smollm3": (lambda: causal(SmolLM3Config, 64, 24, 28, 5, 4, 2), 14, torch.float32, None),
    "gemma": (lambda: causal(GemmaConfig, 68, 24, 36, 2, 3, 1, head_dim=10), 13, torch.float32, None),
    "gemma2": (
        lambda: causal(
            Gemma2Config,
            *(64, 24, 32, 3, 3, 1),
            head_dim=10,
            query_pre_attn_scalar=24,
            sliding_window=5,
            attn_logit_softcapping=3.0,
            final_logit_softcapping=4.0,
        ),
        17,
        torch.float32,
        None,
    ),
    "gemma3": (
        lambda: causal(
            Gemma3TextConfig,
            *(60, 16, 20, 7, 2, 1),
            head_dim=10,
            query_pre_attn_scalar=16,
            sliding_window=5,
            rope_parameters=GEMMA3_ROPE,
        ),
        17,
        torch.float32,
        None,
    ),
}

#: Models that also get their config in the older spelling.
OLDER = ("llama-untied-rope3", "llama-f16", "gemma3")


@torch.no_grad()
def fill(model, seed):
    """Random weights that make every part of the block count: norms away from one, biases away from zero, attention
    scores and logits with a spread of a few units. transformers' own std of 0.02 leaves logits flat, attention even."""
    generator = torch.Generator().manual_seed(seed)

    def normal(shape, std):
        return torch.randn(shape, generator=generator) * std

    gemma = model.config.model_type.startswith("gemma")
    for name, weight in sorted(model.named_parameters()):
        if "norm" in name:
            # Gemma keeps the distance from one.
            least = -0.5 if gemma else 0.5
            weight.copy_(least + torch.rand(weight.shape, generator=generator))
        elif name.endswith("bias"):
            weight.copy_(normal(weight.shape, 0.4))
        elif "embed_tokens" in name or "lm_head" in name:
            # Gemma's rows grow before they are read; larger ones would drown what the blocks add.
            weight.copy_(normal(weight.shape, 0.2 if gemma else 0.4))
        else:
            weight.copy_(normal(weight.shape, 2.0 / math.sqrt(weight.shape[1])))
