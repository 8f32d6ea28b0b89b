"""Configs and weights of the tiny models. Sizes are small and uneven on purpose: each head_dim, row and vocabulary that
is no multiple of eight exercises the ends of vectorised loops."""

import math

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

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


def llama(vocab, hidden, ffn, layers, heads, kv_heads, **more):
    config = LlamaConfig(**sizes(vocab, hidden, ffn, layers, heads, kv_heads), **{**COMMON, **more})
    return LlamaForCausalLM(config)


def qwen2(vocab, hidden, ffn, layers, heads, kv_heads, **more):
    config = Qwen2Config(**sizes(vocab, hidden, ffn, layers, heads, kv_heads), **{**COMMON, **more})
    return Qwen2ForCausalLM(config)


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
}

#: Models that also get their config in the older spelling.
OLDER = ("llama-untied-rope3", "llama-f16")


@torch.no_grad()
def fill(model, seed):
    """Random weights that make every part of the block count: norms away from one, biases away from zero, attention
    scores and logits with a spread of a few units. transformers' own std of 0.02 leaves logits flat, attention even."""
    generator = torch.Generator().manual_seed(seed)

    def normal(shape, std):
        return torch.randn(shape, generator=generator) * std

    for name, weight in sorted(model.named_parameters()):
        if "norm" in name:
            weight.copy_(0.5 + torch.rand(weight.shape, generator=generator))
        elif name.endswith("bias"):
            weight.copy_(normal(weight.shape, 0.4))
        elif "embed_tokens" in name or "lm_head" in name:
            weight.copy_(normal(weight.shape, 0.4))
        else:
            weight.copy_(normal(weight.shape, 2.0 / math.sqrt(weight.shape[1])))
