"""Computes the numbers of SmolLM2-135M-Instruct with torch, transformers and the Python SDK.

    python make.py MODEL.gguf            write the fixtures beside this file
    python make.py MODEL.gguf --check    compare with them and write nothing; exits 1 beyond the tolerances

See README.md for the model file and for what stands in the fixtures.
"""

import argparse
import hashlib
import json
import logging
import pathlib
import sys
import warnings

import torch
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import reference_numbers as numbers  # noqa: E402

ARRAYS = HERE / "smollm2-135m.safetensors"
FACTS = HERE / "oracle.json"
WIRE = HERE / "wire_think2_Hi.avp"

MODEL_ID = "SmolLM2-135M-Instruct"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

PROMPTS = {
    "arith": (
        "A shop sells pens at 3 dollars each and notebooks at 7 dollars each. Tom buys 4 pens and 2 notebooks. "
        "How much does he pay in total? Show the steps."
    ),
    "code": "Write a Python function `is_palindrome(s)` that ignores case and non-alphanumeric characters.",
}

STEPS = 5
THINK = 20
GREEDY = 48

#: Relative errors (L2) that another machine or release may show under --check. Twenty latent steps amplify rounding.
TOLERANCE = 1e-4
TOLERANCE_THINK20 = 5e-3

#: A greedy choice with less between it and the next may go the other way there; what follows it is not compared.
NEAR_TIE = {"greedy_direct": 1e-3, "greedy_think20": 3e-2}


def load(gguf):
    """The SDK's connector over the model, its weights dequantised to float32."""
    digest = hashlib.sha256(gguf.read_bytes()).hexdigest()
    if digest != GGUF_SHA256:
        raise SystemExit(f"{gguf}: sha256 {digest}, not {GGUF_SHA256}")
    return numbers.connect(gguf, MODEL_ID, GGUF)


def measure(connector, prompt):
    """Arrays and facts of one prompt."""
    model = connector.model
    ids = connector.tokenize(connector.apply_chat_template([{"role": "user", "content": prompt}]))
    logits, hidden, layers = numbers.prefill(model, ids)
    last = len(layers) - 1
    arrays = {
        "input_ids": torch.tensor(ids),
        "logits_last": logits[-1],
        "hidden_layers_last": hidden[:, -1],
        "hidden_final": hidden[-1],
    }
    for index in (0, last):
        arrays[f"k{index}"], arrays[f"v{index}"] = layers[index]
    arrays["latent_hidden"], arrays["latent_embed"], _ = numbers.latent_steps(connector, ids, STEPS)
    arrays["think20_hidden"], _, cache = numbers.latent_steps(connector, ids, THINK)
    seq_len = cache.get_seq_length()
    for name, past in (("direct", None), ("think20", cache)):
        chosen, margins = numbers.greedy(model, ids, GREEDY, past)
        arrays[f"greedy_{name}"], arrays[f"greedy_{name}_margins"] = torch.tensor(chosen), margins

    weight = model.get_output_embeddings().weight.detach()
    latent_logits = arrays["latent_hidden"] @ weight.T
    top = logits[-1].topk(10)
    facts = {
        "prompt": prompt,
        "tokens": len(ids),
        "logits_top10_ids": top.indices.tolist(),
        "logits_top10": top.values.tolist(),
        "head_of_last_hidden_max_error": (hidden[-1, -1] @ weight.T - logits[-1]).abs().max().item(),
        "latent_argmax": latent_logits.argmax(1).tolist(),
        "latent_softmax_max": latent_logits.softmax(1).max(1).values.tolist(),
        "latent_hidden_norm": arrays["latent_hidden"].norm(dim=1).tolist(),
        "latent_embed_norm": arrays["latent_embed"].norm(dim=1).tolist(),
        "greedy_direct_min_margin": arrays["greedy_direct_margins"].min().item(),
        "greedy_think20_min_margin": arrays["greedy_think20_margins"].min().item(),
        "think20_seq_len": seq_len,
    }
    return {name: value.detach().contiguous().clone() for name, value in arrays.items()}, facts


def wire(connector):
    """A context as the SDK writes it, and what it holds."""
    context = connector.think("Hi", steps=2)
    data = context.to_bytes(
        session_id="sess-1", source_agent_id="agent-a", target_agent_id="agent-b", model_id=MODEL_ID
    )
    ids = connector.tokenize(connector.apply_chat_template([{"role": "user", "content": "Hi"}]))
    return data, {"prompt": "Hi", "input_ids": ids, "steps": 2, "seq_len": context.seq_len, "bytes": len(data)}


def everything(connector):
    identity = connector.get_model_identity().to_dict()
    facts = {
        "versions": numbers.versions(),
        "gguf_sha256": GGUF_SHA256,
        "identity": identity,
        "parameters": sum(weight.numel() for weight in connector.model.parameters()),
        "end_token": connector.model.generation_config.eos_token_id,
        "target_norm": numbers.target_norm(connector.model).item(),
        "prompts": {},
    }
    arrays = {}
    for name, prompt in PROMPTS.items():
        found, facts["prompts"][name] = measure(connector, prompt)
        arrays |= {f"{name}.{key}": value for key, value in found.items()}
        print(f"{name}: done", flush=True)
    data, facts["wire_think2_Hi"] = wire(connector)
    return arrays, facts, data


def check(arrays, facts):
    """Compares with the fixtures; returns whether all is within the tolerance."""
    good = True
    expected = load_file(ARRAYS)
    for name, value in expected.items():
        array = name.split(".")[1]
        if array == "input_ids":
            same = torch.equal(arrays[name], value)
            print(f"{name:28} {'identical' if same else 'DIFFERENT'}")
        elif array in NEAR_TIE:
            at = numbers.first_difference(arrays[name].tolist(), value.tolist())
            same = at is None or expected[f"{name}_margins"][at].item() < NEAR_TIE[array]
            print(f"{name:28} {'identical' if at is None else f'differs at {at}'}")
        elif array.endswith("_margins"):
            continue  # judged through the ids
        else:
            absolute, relative = numbers.worst(arrays[name], value)
            same = relative <= (TOLERANCE_THINK20 if array == "think20_hidden" else TOLERANCE)
            print(f"{name:28} max {absolute:.1e}  relative {relative:.1e}")
        good = good and same
    stored = json.loads(FACTS.read_text())
    for key in ("identity", "parameters", "end_token"):
        same = stored[key] == facts[key]
        print(f"{key:28} {'identical' if same else 'DIFFERENT'}")
        # Another release of transformers expands the config to something else.
        good = good and (same or key == "identity")
    return good


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("gguf", type=pathlib.Path)
    arguments.add_argument("--check", action="store_true")
    arguments = arguments.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    arrays, facts, data = everything(load(arguments.gguf))
    if arguments.check:
        sys.exit(0 if check(arrays, facts) else 1)
    save_file(arrays, ARRAYS)
    ARRAYS.chmod(0o644)
    FACTS.write_text(json.dumps(facts, indent=1) + "\n")
    WIRE.write_bytes(data)


if __name__ == "__main__":
    main()
