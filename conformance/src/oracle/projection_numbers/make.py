"""Writes numbers.json beside this file: projections, ranks and validations computed with numpy and torch in double
precision, and a transfer between the two models of `../decoder_numbers`, for the self-test of the oracles.

    python make.py

with torch 2.15 and transformers 5.23.
"""

import importlib.util
import json
import pathlib

import numpy
import torch

HERE = pathlib.Path(__file__).resolve().parent
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
draw = numpy.random.default_rng(5)


def given(*shape):
    """Numbers of few digits, so that the file is what the oracle reads."""
    return numpy.round(draw.uniform(-2, 2, shape), 3)


def told(array):
    return [float(f"{number:.14g}") for number in numpy.asarray(array).flatten().tolist()]


def metrics(probs, out, targets, hidden):
    probs, out, targets = map(torch.tensor, (probs, out, targets))
    top = probs.topk(2).values
    return {
        "entropy": told(torch.distributions.Categorical(probs=probs).entropy()),
        "max_prob": told(top[:, 0]),
        "logit_gap": told(top[:, 0] - top[:, 1]),
        "hidden_state_norm": told(numpy.linalg.norm(hidden, axis=1)),
        "nearest_cos_sim": told(torch.cosine_similarity(out[:, None], targets[None], dim=2).max(dim=1).values),
    }


def project(hidden, head, targets, temperature, norm):
    probs = torch.softmax(torch.tensor(hidden @ head.T / temperature), dim=1).numpy()
    out = probs @ targets
    if norm is not None:
        out = out * (norm / numpy.linalg.norm(out, axis=1, keepdims=True))
    return out, probs


def projections():
    hidden, head, embed = given(3, 4), given(12, 4), given(10, 3)
    out, probs = project(hidden, head[:10], embed, 0.5, 2.5)
    mediated = {"temperature": 0.5, "target_norm": 2.5, "out": told(out), "metrics": metrics(probs, out, embed, hidden)}
    indices = [11, 2, 7, 5]
    shared = embed[[0, 9, 4, 3]]
    out, probs = project(hidden, head[indices], shared, 2.0, None)
    overlap = {"indices": indices, "temperature": 2.0, "shared": told(shared), "out": told(out),
               "metrics": metrics(probs, out, shared, hidden)}
    w, bias = given(4, 3), given(3)
    out = hidden @ w + bias
    linear = {"w": told(w), "bias": told(bias), "out": told(out * (1.5 / numpy.linalg.norm(out, axis=1, keepdims=True)))}
    return {"hidden": told(hidden), "head": told(head), "embed": told(embed), "mediated": mediated, "overlap": overlap,
            "linear": linear}


def ranks():
    made = []
    for matrix in (given(3, 5), given(6, 4), numpy.outer(given(4), given(6))):
        values = numpy.linalg.svd(matrix, compute_uv=False)
        shares = values / values.sum()
        rank = -(shares * numpy.log(shares + 1e-12)).sum() / numpy.log(min(matrix.shape))
        made.append({"cols": matrix.shape[1], "values": told(matrix), "singular": told(values), "rank": rank})
    return made


def validations():
    embed, vocabulary = given(9, 3), 9
    texts = [[3, 1], [0, 8, 2, 2, 5], [7]]
    projected = [given(len(ids), 3) for ids in texts]
    cosines = [
        torch.cosine_similarity(torch.tensor(rows[:-1]), torch.tensor(embed[ids[1:]])).mean().item() if len(ids) > 1 else 0.0
        for ids, rows in zip(texts, projected)
    ]
    pairs = {8: 4, 2: 0, 5: 6, 1: 1}
    mapped = []
    for ids, rows in list(zip(texts, projected))[:2]:
        kept = [at for at, token in enumerate(ids[1:]) if token in pairs]
        targets = embed[[pairs[ids[at + 1]] for at in kept]]
        mapped.append(torch.cosine_similarity(torch.tensor(rows[kept]), torch.tensor(targets)).mean().item())
    logits = [given(len(ids) + 1, vocabulary) for ids in texts[:2]]
    surprise = [
        torch.nn.functional.cross_entropy(torch.tensor(rows[:-1]), torch.tensor(ids)).exp().item()
        for ids, rows in zip(texts, logits)
    ]
    return {"embed": told(embed), "ids": texts, "projected": [told(rows) for rows in projected],
            "cosine": numpy.mean(cosines), "source": list(pairs), "target": list(pairs.values()),
            "mapped": numpy.mean(mapped), "logits": [told(rows) for rows in logits], "perplexity": numpy.mean(surprise)}


@torch.no_grad()
def transfer():
    """The untied model's last two states, through the vocabulary, in front of the tied model's prompt."""
    spec = importlib.util.spec_from_file_location("models", HERE.parent / "decoder_numbers" / "make.py")
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    made = []
    for _, config, kind, seed, ids in models.MODELS:
        # The weights are drawn in single precision, whatever they are then computed with.
        torch.set_default_dtype(torch.float32)
        model = kind(config).eval()
        models.fill(model, seed)
        made.append((model.double(), ids))
    torch.set_default_dtype(torch.float64)
    (target, prompt), (source, thought) = made
    head, e_in = source.lm_head.weight.numpy(), source.get_input_embeddings().weight.numpy()
    realign = numpy.linalg.solve(head.T @ head + 1e-5 * numpy.eye(head.shape[1]), head.T @ e_in)
    own = numpy.linalg.norm(e_in, axis=1).mean()
    cache, states = models.DynamicCache(), []
    given = {"input_ids": torch.tensor([thought])}
    for _ in range(models.STEPS + 1):
        out = source(**given, past_key_values=cache, use_cache=True, output_hidden_states=True)
        states.append(out.hidden_states[-1][0, -1].numpy())
        latent = states[-1] @ realign
        given = {"inputs_embeds": torch.tensor(latent * own / numpy.linalg.norm(latent))[None, None]}
    embed = target.get_input_embeddings().weight.numpy()
    injected, _ = project(numpy.stack(states[-2:]), head, embed, 1.0, numpy.linalg.norm(embed, axis=1).mean())
    cache = models.DynamicCache()
    target(inputs_embeds=torch.tensor(injected)[None], past_key_values=cache, use_cache=True)
    written, margins = [], []
    given = torch.tensor([prompt])
    for _ in range(models.WRITTEN):
        logits = target(input_ids=given, past_key_values=cache, use_cache=True).logits[0, -1]
        top = logits.topk(2)
        margins.append((top.values[0] - top.values[1]).item())
        written.append(top.indices[0].item())
        given = torch.tensor([written[-1:]])
    if min(margins) < 0.01:
        raise SystemExit(f"another seed: {written} {margins}")
    return {"injected": told(injected), "written": written}


def main():
    out = {"projections": projections(), "ranks": ranks(), "validations": validations(), "transfer": transfer()}
    (HERE / "numbers.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
