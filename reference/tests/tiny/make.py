"""Makes the tiny models and the numbers that transformers and the Python SDK compute for them.

    python make.py [NAME ...]

Writes one folder a model beside this file; see README.md. Deterministic for given releases of torch and transformers.
"""

import json
import logging
import pathlib
import shutil
import sys
import tempfile
import warnings

import torch
from avp.context import AVPContext
from avp.connectors.huggingface import HuggingFaceConnector
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import reference_numbers as numbers  # noqa: E402
from models import MODELS, OLDER, fill  # noqa: E402
from tokens import PROMPTS, TOKENIZERS, byte_level  # noqa: E402

STEPS = 5
GREEDY = 16

#: A seed is taken when every greedy choice is clear by CLEAR, no text only repeats itself, and rounding stays below
#: CALM: random weights with sharp attention can blow it up a thousandfold over five latent steps.
CLEAR = 0.02
DISTINCT = 5
CALM = 3e-5
SEEDS = range(1, 400)


def load(folder):
    """The model in `folder`, its stored values widened to float32."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def store(model, folder, dtype, shard):
    """`config.json` and weights as transformers writes them."""
    model.to(dtype).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    (folder / "generation_config.json").unlink(missing_ok=True)


def measure(model, connector, ids):
    """All arrays of `expected.safetensors`."""
    logits, hidden, layers = numbers.prefill(model, ids)
    out = {"input_ids": torch.tensor(ids), "logits_all": logits, "hidden_layers": hidden}
    for index, (keys, values) in enumerate(layers):
        out[f"k{index}"], out[f"v{index}"] = keys, values

    latent_hidden, latent_embed, cache = numbers.latent_steps(connector, ids, STEPS)
    out |= {"latent_hidden": latent_hidden, "latent_embed": latent_embed}
    out["target_norm"] = numbers.target_norm(model).reshape(1)
    if connector.needs_realignment():
        out["realign_w"] = connector._w_realign

    for name, past in (("direct", None), ("latent", cache)):
        chosen, margins = numbers.greedy(model, ids, GREEDY, past)
        out[f"greedy_{name}"], out[f"greedy_{name}_margins"] = torch.tensor(chosen), margins
    return {name: value.contiguous().clone() for name, value in out.items()}


def worth_keeping(found, facts):
    """Every choice clear, and texts that do more than repeat one token."""
    runs = [(found[f"greedy_{way}"].tolist(), found[f"greedy_{way}_margins"]) for way in ("direct", "latent")]
    for text in facts.get("texts", []):
        runs += [(text[way]["ids"], torch.tensor(text[way]["margins"])) for way in ("direct", "latent")]
    if max(facts["noise"].values()) > CALM:
        return False
    return all(
        margins.min() > CLEAR and len(set(ids)) >= min(DISTINCT, len(ids)) and len(ids) > 2
        for ids, margins in runs
    ) and all(one != other for (one, _), (other, _) in zip(runs[::2], runs[1::2]))


def noise(model, connector, found):
    """Largest absolute difference of each kind of array to the same weights in float64 (where norms, rotations and the
    SDK's projections stay float32): what summation order alone is worth here."""
    ids = found["input_ids"].tolist()
    logits, hidden, layers = numbers.prefill(model.double(), ids)
    latent_hidden, latent_embed, _ = numbers.latent_steps(connector, ids, STEPS)
    again = {"logits_all": logits, "hidden_layers": hidden}
    again |= {"latent_hidden": latent_hidden, "latent_embed": latent_embed}
    for index, (keys, values) in enumerate(layers):
        again[f"k{index}"], again[f"v{index}"] = keys, values
    if "realign_w" in found:
        inner, outer = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        ridge = 1e-5 * torch.eye(outer.shape[1], dtype=torch.float64)
        again["realign_w"] = torch.linalg.solve(outer.T @ outer + ridge, outer.T @ inner).detach()
    out = {}
    for name, value in again.items():
        kind = "keys_values" if name[1:].isdigit() else name
        out[kind] = max(out.get(kind, 0.0), float(f"{numbers.worst(value, found[name])[0]:.1e}"))
    return out


def texts(connector, folder):
    """Prompts as text: rendered, tokenised, continued greedily by the SDK's own generate(), without and with a context,
    which goes to `context-N.avp` as the SDK writes it. The last context is thought behind the one before."""
    numbers.prepare_realignment(connector)
    out = []
    for index, prompt in enumerate(PROMPTS):
        last = index == len(PROMPTS) - 1
        # From bytes: the SDK changes the context that it continues.
        before = AVPContext.from_bytes((folder / f"context-{index - 1}.avp").read_bytes()) if last else None
        rendered = connector.apply_chat_template([{"role": "user", "content": prompt}])
        context = connector.think(prompt, steps=STEPS - index, context=before)
        name = f"context-{index}.avp"
        (folder / name).write_bytes(context.to_bytes(model_id=connector.get_model_identity().model_id))
        out.append(
            {
                "prompt": prompt,
                "rendered": rendered,
                "input_ids": connector.tokenize(rendered),
                "direct": continued(connector, prompt, None),
                "steps": STEPS - index,
                "behind": f"context-{index - 1}.avp" if last else None,
                "context": name,
                "seq_len": context.seq_len,
                "num_steps": context.num_steps,
                "latent": continued(connector, prompt, context),
            }
        )
    return out


def continued(connector, prompt, context):
    text, ids, margins = numbers.continued(connector, prompt, context, GREEDY)
    return {"ids": ids, "text": text, "margins": [round(margin, 4) for margin in margins]}


def make(name):
    build, length, dtype, shard = MODELS[name]
    for seed in SEEDS:
        model = build()
        fill(model, seed)
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(2, model.config.vocab_size, (length,), generator=generator).tolist()
        with tempfile.TemporaryDirectory() as draft:
            draft = pathlib.Path(draft)
            store(model, draft, dtype, shard)
            if name in OLDER:
                older(draft)
            found, facts = numbers_of(name, draft, ids)
            if worth_keeping(found, facts):
                facts["seed"] = seed
                (draft / "expected.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
                save_file(found, draft / "expected.safetensors")
                shutil.rmtree(HERE / name, ignore_errors=True)
                shutil.copytree(draft, HERE / name, copy_function=shutil.copyfile)
                print(f"{name}: seed {seed}, noise {max(facts['noise'].values()):.1e}", flush=True)
                return
    raise SystemExit(f"{name}: no seed in {SEEDS} gives clear margins")


def numbers_of(name, folder, ids):
    """Arrays and facts of the model in `folder`; its tokenizer and contexts are written there."""
    model = load(folder)
    # transformers keeps the folder it read from, and the SDK hashes it.
    model.config._name_or_path = name
    tokenizer, own_file = TOKENIZERS.get(name, (byte_level, None))
    connector = HuggingFaceConnector(model=model, tokenizer=tokenizer(model.config.vocab_size))
    found = measure(model, connector, ids)
    facts = {"versions": numbers.versions(), "model_hash": connector.get_model_identity().model_hash}
    if name in TOKENIZERS:
        connector.tokenizer.save_pretrained(folder, save_jinja_files=own_file)
        facts["texts"] = texts(connector, folder)
    facts["noise"] = noise(model, connector, found)
    return found, facts


def older(folder):
    """`config-older.json`: the same config with the names that releases of transformers before 5 write. Most files on
    hubs have these. Raises unless transformers reads it as the same model."""
    config = json.loads((folder / "config.json").read_text())
    rope = config.pop("rope_parameters")
    if "sliding_attention" in rope:
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.45.0"
    path = folder / "config-older.json"
    path.write_text(json.dumps(config, indent=2) + "\n")
    new, old = (AutoConfig.from_pretrained(file).to_dict() for file in (folder / "config.json", path))
    if {**new, "_name_or_path": ""} != {**old, "_name_or_path": ""}:
        raise SystemExit(f"{path}: not the same model: {old}")


def main():
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    for name in sys.argv[1:] or MODELS:
        make(name)


if __name__ == "__main__":
    main()
