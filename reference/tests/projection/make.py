"""Projects hidden states of real models onto others with the Python SDK's numpy functions.

    python make.py SmolLM2-135M-Instruct.Q4_1.gguf            write the fixture beside this file
    python make.py SmolLM2-135M-Instruct.Q4_1.gguf --check    compare with it and write nothing; exits 1 beyond 1e-6

Needs torch, transformers with accelerate and gguf, and avp 0.6.2. What stands in the fixture: `README.md`.
"""

import argparse
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import reference_numbers as numbers  # noqa: E402
from avp.rosetta.calibrate import calibrate  # noqa: E402
from avp.rosetta.project import vocab_overlap_projection, vocabulary_mediated_projection  # noqa: E402

FIXTURE = HERE / "sdk.safetensors"
MODELS = HERE.parent.parent / "models"
PAIRS = [("pocket-a", "pocket-b"), ("pocket-b", "pocket-a"), ("pocket-a", "pocket-c"), ("smollm2", "pocket-a")]
#: Tokens of the prompt, any that all vocabularies have; the states are those of its last ones.
PROMPT = [(97 * index + 11) % 500 + 5 for index in range(24)]
STATES = 4


def projected(source, target):
    """States of the source behind its last norm, and what the SDK injects into the target for them."""
    _, hidden, _ = numbers.prefill(source.model, PROMPT)
    states = hidden[-1, -STATES:].contiguous()
    made = calibrate(source.model, target.model, source.tokenizer, target.tokenizer, auto_save=False)
    head = source.model.get_output_embeddings().weight
    if made.method.value == "vocab_overlap":
        found = vocab_overlap_projection(states, head, made.w_map, made.src_indices, target_norm=made.target_norm)
    else:
        found = vocabulary_mediated_projection(states, head, made.w_map, target_norm=made.target_norm)
    print(made.method.value, made.overlap_count, tuple(found.shape))
    return states, torch.from_numpy(found).float().contiguous()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    connectors = {name: numbers.connect(MODELS / name, name) for name in ("pocket-a", "pocket-b", "pocket-c")}
    connectors["smollm2"] = numbers.connect(arguments.model, "SmolLM2-135M-Instruct")
    arrays = {}
    for source, target in PAIRS:
        states, found = projected(connectors[source], connectors[target])
        arrays |= {f"{source}.{target}.states": states, f"{source}.{target}.injected": found}
    if not arguments.check:
        save_file(arrays, FIXTURE)
        return 0
    expected = load_file(FIXTURE)
    worst = max(numbers.worst(arrays[name], expected[name])[1] for name in expected)
    print(f"worst relative error {worst:.1e}")
    return 0 if arrays.keys() == expected.keys() and worst <= 1e-6 else 1


if __name__ == "__main__":
    sys.exit(main())
