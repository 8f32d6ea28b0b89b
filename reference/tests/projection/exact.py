"""Computes in double precision what the Python SDK computes in numpy's float32, from the states in the fixture.

    python exact.py SmolLM2-135M-Instruct.Q4_1.gguf            write exact.safetensors beside this file
    python exact.py SmolLM2-135M-Instruct.Q4_1.gguf --check    compare with it and write nothing; exits 1 beyond 1e-12

Needs numpy, safetensors and gguf. Nothing of the SDK and of torch takes part. What stands in the file: `README.md`.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
from gguf import GGUFReader, dequantize
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent.parent / "models"


class Pocket:
    """A pocket model's tokens and its two embeddings."""

    def __init__(self, name):
        tokenizer = json.loads((MODELS / name / "tokenizer.json").read_text())
        self.tokens = dict(tokenizer["model"]["vocab"])
        self.tokens |= {added["content"]: added["id"] for added in tokenizer["added_tokens"]}
        weights = load_file(MODELS / name / "model.safetensors")
        self.embedding = weights["model.embed_tokens.weight"].astype(np.float64)
        self.head = weights.get("lm_head.weight", weights["model.embed_tokens.weight"]).astype(np.float64)


class Gguf:
    """The same of a model in a GGUF file whose embeddings are tied. Nothing is projected onto it."""

    def __init__(self, path):
        reader = GGUFReader(path)
        field = reader.fields["tokenizer.ggml.tokens"]
        self.tokens = {bytes(field.parts[part]).decode(): number for number, part in enumerate(field.data)}
        tensors = {tensor.name: tensor for tensor in reader.tensors}
        tied = tensors["token_embd.weight"]
        self.head = dequantize(tied.data, tied.tensor_type).astype(np.float64)


def projected(source, target, states):
    """Input embeddings of the target for the source's states, through the tokens that both know."""
    shared = sorted(source.tokens.keys() & target.tokens.keys())
    head = source.head[[source.tokens[token] for token in shared]]
    rows = target.embedding[[target.tokens[token] for token in shared]]
    if source.tokens == target.tokens:
        # One tokenizer: every row, those of no token too, which the SDK does not leave out.
        count = min(len(source.head), len(target.embedding))
        head, rows = source.head[:count], target.embedding[:count]
    logits = states.astype(np.float64) @ head.T
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    mixed = weights / weights.sum(axis=1, keepdims=True) @ rows
    length = np.linalg.norm(target.embedding, axis=1).mean()
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True) * length


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    models = {name: Pocket(name) for name in ("pocket-a", "pocket-b", "pocket-c")}
    models["smollm2"] = Gguf(arguments.model)
    fixture = load_file(HERE / "sdk.safetensors")
    exact = {}
    for name in sorted(fixture):
        source, target, what = name.rsplit(".", 2)
        if what == "states":
            key = f"{source}.{target}.exact"
            exact[key] = projected(models[source], models[target], fixture[name])
            away = abs(exact[key] - fixture[f"{source}.{target}.injected"]).max()
            print(f"{source} to {target}: the SDK is off by at most {away:.2e}")
    if not arguments.check:
        save_file(exact, HERE / "exact.safetensors")
        return 0
    expected = load_file(HERE / "exact.safetensors")
    worst = max(abs(exact[name] - expected[name]).max() for name in expected)
    print(f"worst difference {worst:.1e}")
    return 0 if exact.keys() == expected.keys() and worst <= 1e-12 else 1


if __name__ == "__main__":
    sys.exit(main())
