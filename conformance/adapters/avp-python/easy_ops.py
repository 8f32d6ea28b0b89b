"""The easy API: thinking and writing by a model's name. Engines that count steps stand in for models; they are made on the
SDK's own base class and handed over where the SDK would load a model of that name."""

import dataclasses
import importlib
import warnings

from adapter import Unsupported, refusal
from rosetta_ops import replaced
from talk_ops import member

#: The engine of this name writes text and can do nothing else.
TEXT_ONLY = "text-only"
#: Steps of the context that an engine is given without the easy API.
GIVEN_STEPS = 3


def stand_ins():
    """The two kinds of engines. What the second cannot do is left to the base class."""
    from avp.connectors.base import EngineConnector
    from avp.context import AVPContext
    from avp.types import ModelIdentity

    class TextOnly(EngineConnector):
        def __init__(self, name):
            self.name = name

        def get_model_identity(self):
            return ModelIdentity(model_id=self.name)

        def generate(self, prompt, context=None, **options):
            if context is not None:
                return super().generate(prompt, context=context, **options)
            return f"{prompt}|0"

    class Counting(TextOnly):
        can_think = True

        def think(self, prompt, steps=20, context=None, **options):
            before = context.num_steps if context is not None else 0
            return AVPContext(past_key_values=None, model_hash="", num_steps=before + steps, seq_len=1)

        def generate(self, prompt, context=None, **options):
            return f"{prompt}|{context.num_steps if context is not None else 0}"

    return lambda name: (TextOnly if name == TEXT_ONLY else Counting)(name)


class Script:
    def __init__(self, make):
        self.easy = importlib.import_module("avp.easy")
        self.store = importlib.import_module("avp.context_store").ContextStore()
        self.make = make
        self.loads = 0

    def load(self, name, *args, **options):
        self.loads += 1
        return self.make(name)

    def given(self, step, *names):
        return {name: step[name] for name in names if name in step}

    def event(self, step):
        action = step["do"]
        if action == "think":
            given = self.given(step, "model", "steps", "output")
            if "output" in given:
                kinds = importlib.import_module("avp.types").OutputType
                known = {kind.value: kind for kind in kinds}
                given["output"] = known.get(given["output"], given["output"])
            context, metrics = self.easy.think(step["prompt"], collect_metrics=True, **given)
            return {"num_steps": context.num_steps, "metrics": fields(metrics)}
        if action == "generate":
            given = self.given(step, "model", "steps", "store_key", "prior_key", "content")
            if step.get("store"):
                given["store"] = self.store
            made = self.easy.generate(step.get("prompt", ""), collect_metrics=True, **given)
            # Joined as any text is: what is no text ends here.
            return {"text": "".join([made]), "metrics": fields(made.metrics)}
        if action == "clear":
            self.easy.clear_cache()
            return {}
        if action == "loads":
            return {"loads": self.loads}
        if action == "stored":
            context = self.store.get(step["key"])
            return {"num_steps": None if context is None else context.num_steps}
        engine = self.make(step["model"])
        if action == "engine_info":
            return {"can_think": engine.can_think}
        if action == "engine_think":
            return {"num_steps": engine.think(step["prompt"], steps=step.get("steps", 0)).num_steps}
        if action == "engine_generate":
            context = self.make("any").think("", steps=GIVEN_STEPS) if step.get("context") else None
            return {"text": engine.generate(step["prompt"], context=context)}
        raise Unsupported(f"no {action} in the easy API")


def fields(metrics):
    return dataclasses.asdict(metrics) if dataclasses.is_dataclass(metrics) else None


def easy_script(args, parts):
    from avp.connectors.huggingface import HuggingFaceConnector

    script, events = Script(stand_ins()), []
    script.easy.clear_cache()
    with replaced(HuggingFaceConnector, from_pretrained=script.load), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in args["steps"]:
            try:
                events.append(script.event(step))
            except Unsupported:
                raise
            except Exception as error:  # every exception of the SDK is an event
                answer = refusal("easy_script", error)
                if "err" not in answer:
                    raise
                events.append({"error": answer["err"]["code"], "detail": answer["err"]["detail"]})
    script.easy.clear_cache()
    return {"events": events}, ()


# --- helpers of the connector for vLLM, which need none

def vllm_request_hash(args, parts):
    from avp.connectors import vllm_kv_connector

    return {"hex": vllm_kv_connector.compute_request_hash(args["ids"])}, ()


def vllm_latent_prompt(args, parts):
    from avp.connectors import vllm_kv_connector

    return {"ids": vllm_kv_connector.prepare_latent_prompt(args["ids"], args["steps"])}, ()


def can_stand_in():
    """Whether this release has results that carry metrics (0.4.2 and later) and engines that others may write."""
    try:
        importlib.import_module("avp.connectors.huggingface")
    except Exception:
        return False
    return bool(member("avp.results", "ThinkResult") and member("avp.connectors.base", "EngineConnector"))


def operations():
    found = {"easy_script": easy_script} if can_stand_in() else {}
    if member("avp.connectors.vllm_kv_connector", "compute_request_hash"):
        found["vllm_request_hash"] = vllm_request_hash
    if member("avp.connectors.vllm_kv_connector", "prepare_latent_prompt"):
        found["vllm_latent_prompt"] = vllm_latent_prompt
    return found


def features():
    # Contexts have kinds since 0.5.0.
    return {"easy_untyped": can_stand_in() and member("avp.types", "OutputType") is not None}
