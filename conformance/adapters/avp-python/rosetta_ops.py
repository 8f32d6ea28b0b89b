"""Projections onto another model, their validation, the quality gate and maps.

Since 0.4.0 the SDK projects with numpy alone. What it computes with torch (projections before that, validations of real
numbers, everything about maps but their names) is there only where torch is: a stand-in would be judged in its place. Its
decision about a validation computes nothing, so it is asked with or without.
"""

import contextlib
import importlib
import inspect
import logging
import math
import os
import pathlib
import tempfile
import types

import numpy
from avp.rosetta import project, registry, validate

from adapter import Part, part
from kv_ops import HAS_TORCH, NUMPY
from realign_ops import answer, array, tensor

# The package has a function of the module's name.
calibration = importlib.import_module("avp.rosetta.calibrate")

try:
    from avp.rosetta import quality
except ImportError:  # before 0.3.0
    quality = None

#: Whether arrays go in and come out, rather than torch tensors.
TAKES_ARRAYS = hasattr(project, "_to_numpy")

#: Fields of a map that are plain values, as the contract has them.
PLAIN = (
    "source_model_id", "source_hash", "source_dim", "target_model_id", "target_hash", "target_dim", "anchor_count",
    "validation_score", "overlap_count", "overlap_ratio",
)


def given(parts, name):
    part(parts, name)
    return array(parts[name]) if TAKES_ARRAYS else tensor(parts[name])


def integers(part_):
    values = numpy.frombuffer(part_.data, dtype=NUMPY[part_.dtype]).astype(numpy.int64)
    if TAKES_ARRAYS:
        return values
    import torch

    return torch.from_numpy(values)


# Projection


def choices(function, args):
    """The options that are asked for, as far as this release has them."""
    known = inspect.signature(function).parameters
    chosen = {}
    if "temperature" in args:
        chosen["temperature"] = float(args["temperature"])  # the names of NaN and the infinities too
    if "target_norm" in args:
        chosen["target_norm"] = args["target_norm"]
    if args.get("metrics") and "return_metrics" in known:
        chosen["return_metrics"] = True
    return chosen


def projected(made):
    if not isinstance(made, tuple):
        return {}, [answer("out", made)]
    made, metrics = made
    listed = {name: numpy.asarray(values).flatten().astype(float).tolist() for name, values in metrics.items()}
    return {"metrics": listed}, [answer("out", made)]


def project_vocab(args, parts):
    function = project.vocabulary_mediated_projection
    names = ("hidden", "src_head", "tgt_embed")
    return projected(function(*(given(parts, name) for name in names), **choices(function, args)))


def project_overlap(args, parts):
    function = project.vocab_overlap_projection
    names = ("hidden", "src_head", "tgt_embed_shared")
    weights = [given(parts, name) for name in names]
    return projected(function(*weights, integers(parts["src_indices"]), **choices(function, args)))


def project_linear(args, parts):
    norm = args["target_norm"]
    if not TAKES_ARRAYS:
        import torch

        norm = torch.tensor(norm)
    bias = given(parts, "bias") if "bias" in parts else None
    made = project.apply_cross_model_projection(given(parts, "hidden"), given(parts, "w"), norm, bias)
    return {}, [answer("out", made)]


class Tokenizer:
    def __init__(self, vocab):
        self.vocab = vocab

    def get_vocab(self):
        return self.vocab


def indices(name, values):
    values = numpy.asarray(values.numpy() if hasattr(values, "numpy") else values)
    return Part(name, values.astype("<u4").tobytes(), "u32", list(values.shape))


def vocab_overlap(args, parts):
    # Without a least number, since there is an answer for any two vocabularies. The share is computed where a map is made.
    found = calibration._compute_vocab_overlap(Tokenizer(args["a"]), Tokenizer(args["b"]), min_overlap=1)
    src, tgt, tokens = found if found is not None else (numpy.zeros(0), numpy.zeros(0), [])
    return {"count": len(tokens)}, [indices("src_indices", src), indices("tgt_indices", tgt)]


# Validation


@contextlib.contextmanager
def replaced(module, **others):
    """Functions of a module that need a model, replaced by ones that give the case's numbers."""
    kept = {name: getattr(module, name) for name in others}
    try:
        for name, other in others.items():
            setattr(module, name, other)
        yield
    finally:
        for name, function in kept.items():
            setattr(module, name, function)


class Weight:
    """What a validation asks of an embedding before it gets to the numbers."""

    def detach(self):
        return self

    def to(self, *_, **__):
        return self


class Target:
    """A target model that says what it is given to say."""

    def __init__(self, weight, logits=()):
        self.weight = weight
        self.logits = list(logits)

    def get_input_embeddings(self):
        return Embeddings(self.weight)

    def parameters(self):
        import torch

        return iter([torch.zeros(1)])

    def __call__(self, **_):
        return types.SimpleNamespace(logits=self.logits.pop(0)[None])


class Embeddings:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, ids):
        return self.weight[ids * 0]


def overlapping(parts):
    """A map of one method or the other; nothing else of it is looked at."""
    method = validate.ProjectionMethod
    both = getattr(method, "VOCAB_OVERLAP", None) if "src_indices" in parts else method.VOCAB_MEDIATED
    return types.SimpleNamespace(method=both)


def validated(target, avp_map, config, **others):
    with replaced(validate, **others):
        return validate.validate_projection(None, target, avp_map, None, None, config=config, device="cpu")


def named(chosen):
    return validate.ValidationConfig(**{name: value for name, value in chosen.items() if value is not None})


def validate_decide(args, parts):
    perplexity = args.get("perplexity")
    config = named({
        "cosine_sim_threshold": args.get("cosine_threshold"),
        "perplexity_json": args.get("perplexity_threshold"),
    })
    result = validated(
        Target(Weight()),
        overlapping(parts),
        config,
        _require_torch=lambda: types.SimpleNamespace(float32=None),
        _extract_per_token_hidden_states=lambda *_: [([None], [0, 1])],
        _apply_projection=lambda hidden, *_: hidden,
        _compute_cosine_similarity=lambda *_, **__: float(args["cosine"]),
        _have_shared_vocab=lambda *_: perplexity is not None,
        _compute_pseudo_perplexity=lambda *_: float(perplexity),
    )
    mode = result.recommended_mode
    return {"mode": getattr(mode, "name", str(mode)), "perplexity": result.perplexity}, ()


def single(part_):
    import torch

    return torch.from_numpy(array(part_).copy())


def validate_cosine(args, parts):
    import torch

    # Projections are float32, and the embedding becomes it.
    texts = [(single(parts[f"projected{index}"]), torch.tensor(ids)) for index, ids in enumerate(args["ids"])]
    result = validated(
        Target(single(parts["tgt_embed"])),
        overlapping(parts),
        validate.ValidationConfig(cosine_sim_threshold=math.inf),
        _extract_per_token_hidden_states=lambda *_: texts,
        _apply_projection=lambda hidden, *_: hidden,
        _have_shared_vocab=lambda *_: False,
    )
    return {"cosine": result.cosine_similarity}, ()


def validate_ppl(args, parts):
    import torch

    logits = [single(parts[f"logits{index}"]) for index in range(len(args["ids"]))]
    texts = [(torch.zeros(len(ids), 2), torch.tensor(ids)) for ids in args["ids"]]
    # A text that is too short is not run.
    run = [rows for rows, ids in zip(logits, args["ids"]) if len(ids) > 1]
    target = Target(torch.zeros(1, 2), run or [None])
    result = validated(
        target,
        overlapping(parts),
        validate.ValidationConfig(),
        _extract_per_token_hidden_states=lambda *_: texts,
        _apply_projection=lambda hidden, *_: hidden,
        _compute_cosine_similarity=lambda *_, **__: 1.0,
        _have_shared_vocab=lambda *_: True,
    )
    return {"perplexity": result.perplexity}, ()


class Seen(Exception):
    """The texts have been seen; nothing is to be computed of them."""


def validation_texts(args, parts):
    seen = []

    def look(model, tokenizer, texts, *_):
        seen.extend(texts)
        raise Seen

    with contextlib.suppress(Seen):
        validated(
            Target(Weight()),
            overlapping(parts),
            named({"num_test_texts": args.get("count")}),
            _require_torch=lambda: types.SimpleNamespace(float32=None),
            _extract_per_token_hidden_states=look,
        )
    return {"texts": seen}, ()


# The quality gate


def assess_transfer(args, parts):
    config = {"check_effective_rank": "hidden" in parts}
    if "max_prompt_tokens" in args:
        config["max_prompt_tokens"] = args["max_prompt_tokens"]
    if "max_effective_rank" in args:
        config["max_effective_rank_ratio"] = args["max_effective_rank"]
    result = quality.assess_transfer(
        args["prompt_tokens"],
        given(parts, "hidden") if "hidden" in parts else None,
        quality.TransferQualityConfig(**config),
    )
    return {
        "recommend_latent": result.recommend_latent,
        "prompt_tokens": result.prompt_tokens,
        "reason": result.reason,
        "effective_rank_ratio": result.effective_rank_ratio,
    }, ()


def effective_rank(args, parts):
    return {"ratio": float(quality._compute_effective_rank_ratio(given(parts, "hidden")))}, ()


# Maps


def maps(args):
    """The module that keeps maps, under this cache directory: it reads the variable when it is loaded."""
    os.environ["AVP_CACHE_DIR"] = args["cache_dir"]
    return importlib.reload(registry)


def told(avp_map):
    """A map's fields and tensors."""
    fields = {name: getattr(avp_map, name, 0) for name in PLAIN}
    fields.update(method=avp_map.method.value, target_norm=float(avp_map.target_norm))
    out = [answer("w_map", avp_map.w_map)]
    if avp_map.bias is not None:
        out.append(answer("bias", avp_map.bias))
    for name in ("src_indices", "tgt_indices"):
        if getattr(avp_map, name, None) is not None:
            out.append(indices(name, getattr(avp_map, name)))
    return fields, out


def map_id(args, parts):
    return {"id": registry.map_id(args["source_hash"], args["target_hash"])}, ()


def map_find(args, parts):
    found = maps(args).find_map(args["source_hash"], args["target_hash"])
    return {"file": None if found is None else found.name}, ()


def map_save(args, parts):
    import torch

    fields = dict(args["map"])
    known = inspect.signature(calibration.AVPMap).parameters
    tensors = {"w_map": tensor(parts["w_map"]), "bias": tensor(parts["bias"]) if "bias" in parts else None}
    for name in ("src_indices", "tgt_indices"):
        if name in parts:
            values = numpy.frombuffer(parts[name].data, "<u4").astype(numpy.int64)
            tensors[name] = torch.from_numpy(values)
    fields.update(tensors, target_norm=torch.tensor(fields["target_norm"]))
    made = calibration.AVPMap(**{name: value for name, value in fields.items() if name in known})
    return {"file": maps(args).save_map(made).name}, ()


def map_load(args, parts):
    made = maps(args).load_map(args["source_hash"], args["target_hash"])
    if made is None:
        return {"map": None}, ()
    fields, out = told(made)
    return {"map": fields}, out


def map_import(args, parts):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "map.pt"
        path.write_bytes(part(parts, "pt"))
        with replaced(registry, find_map=lambda *_, **__: path):
            fields, out = told(registry.load_map("", ""))
    return {"map": fields}, out


class Warnings(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


def calibrate(args, parts):
    source, target = args["source"], args["target"]
    keeper = maps(args)
    warnings = Warnings()
    logger = logging.getLogger("avp")
    logger.addHandler(warnings)
    try:
        made = calibration.calibrate_from_weights(
            source["model_id"], source["config"], target["model_id"], target["config"], tensor(parts["tgt_embed"]),
            Tokenizer(source["vocab"]), Tokenizer(target["vocab"]), auto_save=args.get("auto_save", True),
        )
    finally:
        logger.removeHandler(warnings)
    fields, out = told(made)
    saved = keeper.find_map(made.source_hash, made.target_hash) is not None
    return {"map": fields, "saved": saved, "warnings": warnings.texts}, out


def operations():
    found = dict(
        map_id=map_id, map_find=map_find, validate_decide=validate_decide, validation_texts=validation_texts
    )
    if TAKES_ARRAYS or HAS_TORCH:
        found.update(project_vocab=project_vocab, project_linear=project_linear)
        if hasattr(project, "vocab_overlap_projection"):
            found.update(project_overlap=project_overlap, vocab_overlap=vocab_overlap)
    if quality is not None:
        found.update(assess_transfer=assess_transfer)
        if TAKES_ARRAYS or HAS_TORCH:
            found.update(effective_rank=effective_rank)
    if HAS_TORCH:
        found.update(
            validate_cosine=validate_cosine, validate_ppl=validate_ppl, map_save=map_save, map_load=map_load,
            map_import=map_import,
        )
        if hasattr(calibration, "calibrate_from_weights"):
            found.update(calibrate=calibrate)
    return found


def features():
    # Before 0.4.0 the rank is torch's.
    return {"rank": quality is not None and (TAKES_ARRAYS or HAS_TORCH)}
