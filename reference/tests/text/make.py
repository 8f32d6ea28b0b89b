"""Writes what transformers makes of the templates and tokenizers here: chat.json, expressions.json, and for each of the
tokenizers that it trains, tokenizer.json and ids.json.

    python make.py

Needs transformers and tokenizers (versions stand in the files). With AVP_SMOLLM2 set to the GGUF file of
SmolLM2-135M-Instruct it also writes smollm2.json.
"""

import datetime
import json
import os
import random
import shutil
from pathlib import Path

import tokenizers
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.utils import chat_template_utils as chat

from expressions import EXPRESSIONS
from strings import STRINGS

HERE = Path(__file__).parent
NOW = datetime.datetime(2026, 3, 7, 15, 4, 5)
VERSIONS = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


class Clock(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return NOW


def write(path, head, **lists):
    """JSON with one entry of each list on a line."""
    path.parent.mkdir(exist_ok=True)
    parts = [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in {**VERSIONS, **head}.items()]
    for name, entries in lists.items():
        lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
        parts.append(f"{json.dumps(name)}: [\n{lines}\n]")
    path.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather <now> & later\nin a city's \"centre\", e.g. Zürich or 東京",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name"},
                "days": {"type": "integer", "default": 1, "minimum": 0.5},
                "units": {"type": ["string", "null"], "enum": ["°C", "°F", None]},
                "where": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"x": {"type": "number"}, "deep": {"type": "object"}}},
                },
            },
            "required": ["city"],
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {
        "name": "clock",
        "description": "The time",
        "strict": True,
        "parameters": {"type": "object", "properties": {}},
        "return": {"type": "string"},
    },
}
CALL = {"type": "function", "id": "abc123def", "function": {"name": "weather", "arguments": {"city": "Zürich", "days": 2}}}


def say(role, content, **extra):
    return {"role": role, "content": content, **extra}


CONVERSATIONS = {
    "one": [say("user", "Hi")],
    "system": [say("system", "  Be kind. "), say("user", "Who are you?")],
    "turns": [
        say("system", "You are a 助手.\n"),
        say("user", " What is 2+2?\n\n"),
        say("assistant", "It's 4.  "),
        say("user", "And <b>3</b> & \"3\"?"),
    ],
    "answered": [say("user", "a"), say("assistant", "b"), say("user", "c"), say("assistant", "d")],
    "thinking": [
        say("user", "First"),
        say("assistant", "<think>\nhm\n</think>\n\nOne"),
        say("user", "Second"),
        say("assistant", "<think>\nwell\n\n</think>\n\nTwo", name="bob"),
    ],
    "calls": [
        say("user", "Weather in Zürich?"),
        say("assistant", "", tool_calls=[CALL]),
        say("tool", '{"sun": true}', tool_call_id="abc123def"),
    ],
    "many calls": [
        say("system", "Use tools."),
        say("user", "Weather?"),
        say("assistant", "Looking", tool_calls=[CALL, CALL]),
        say("tool", "1", tool_call_id="abc123def"),
        say("tool", "2", tool_call_id="abc123def"),
        say("assistant", "Done"),
    ],
    "twice the user": [say("user", "a"), say("user", "b")],
    "odd role": [say("user", "a"), say("martian", "b")],
    "nothing": [say("user", "")],
}
DOCUMENTS = [
    {"title": "A <one>", "text": "Some words here, it's 5 or so.", "year": 1999, "score": 1e-07, "ok": True, "none": None},
    {"title": "B", "text": "", "tags": ["x", "it's", 'say "a\'b"\n'], "more": {"k": 1.0, 2: []}},
]
OPTIONS = [
    {},
    {"add_generation_prompt": True},
    {"add_generation_prompt": True, "tools": [WEATHER, CLOCK]},
    {"documents": DOCUMENTS},
    {"add_generation_prompt": True, "variables": {"enable_thinking": False, "date_string": "1 May 1900"}},
]


def rendered(template, messages, options):
    """What transformers writes, or None where it raises."""
    options = json.loads(json.dumps(options))
    variables = options.pop("variables", {})
    try:
        texts, _ = chat.render_jinja_template([messages], chat_template=template, **options, **variables, **SPECIAL)
    except Exception as error:  # noqa: BLE001: whatever a template runs into
        print("   ", type(error).__name__, str(error)[:100])
        return None
    return texts[0]


def write_chat():
    cases = []
    for path in sorted((HERE / "templates").glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        for name, messages in CONVERSATIONS.items():
            for index, options in enumerate(OPTIONS):
                print(path.stem, name, list(options))
                case = {"template": path.stem, "conversation": name, "options": index}
                cases.append({**case, "expected": rendered(template, messages, options)})
    now = int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp())
    head = {"now": now, "special": SPECIAL, "conversations": CONVERSATIONS}
    write(HERE / "chat.json", head, options=OPTIONS, cases=cases)


def write_expressions():
    """Short templates, over the variables that the messages of one conversation are."""
    messages = CONVERSATIONS["many calls"]
    options = {"tools": [WEATHER], "documents": DOCUMENTS}
    cases = []
    for expression in EXPRESSIONS:
        print(expression)
        cases.append({"template": expression, "expected": rendered(expression, messages, options)})
    write(HERE / "expressions.json", {"messages": messages, "options": options}, cases=cases)


def corpus():
    """Text of words that are made up, so that there is something to merge."""
    rng = random.Random(7)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "st", "ä", "ü")]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(400)]
    words += ["the", "and", "don't", "I'll", "x = y + 1;", "123", "2024", "東京", "日本語", "привет", "🙂", "naïve", "\n", "  "]
    return [" ".join(rng.choices(words, k=40)).capitalize() + rng.choice(".!?") for _ in range(600)]


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_tokens([tokenizers.AddedToken("<think>", normalized=False), tokenizers.AddedToken("<cut>", rstrip=True, lstrip=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|end|> $A", special_tokens=[("<|end|>", tokenizer.token_to_id("<|end|>"))]
    )
    return tokenizer


def sentence_piece():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    words = [word for line in corpus() for word in line.split(" ")]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, show_progress=False)
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    learner.train_from_iterator(words, trainer)
    learnt = json.loads(learner.to_str())["model"]
    tokenizer.model = models.BPE(
        vocab=learnt["vocab"], merges=[tuple(merge) for merge in learnt["merges"]], unk_token="<unk>", byte_fallback=True, fuse_unk=True
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([tokenizers.AddedToken(token, normalized=False) for token in special[:3]])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def write_tokenizers():
    for name, build in (("byte_level", byte_level), ("sentence_piece", sentence_piece)):
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        description = json.loads(build().to_str())
        (folder / "tokenizer.json").write_text(json.dumps(description, ensure_ascii=False) + "\n", encoding="utf-8")
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        write(folder / "ids.json", {}, cases=cases(tokenizer))


def cases(tokenizer):
    """Ids and texts of every string; of ids alone, too: bytes that are no text."""
    rng = random.Random(11)
    size = len(tokenizer)
    found = []
    for text in STRINGS:
        ids = tokenizer(text)["input_ids"]
        plain = tokenizer(text, add_special_tokens=False)["input_ids"]
        found.append({"text": text, "ids": ids, "plain": plain, **texts(tokenizer, plain)})
    for _ in range(40):
        ids = [rng.randrange(min(size, 400)) for _ in range(rng.randint(1, 12))]
        found.append({"ids": ids, **texts(tokenizer, ids)})
    return found


def texts(tokenizer, ids):
    decode = lambda skip: tokenizer.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False)  # noqa: E731
    return {"decoded": decode(False), "without_special": decode(True)}


def write_smollm2(path):
    """Ids of the real model: as short as they can be, since they need no reader."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    plain = [tokenizer(text)["input_ids"] for text in STRINGS]
    # transformers' reader does not know the pre-tokenizer that the file names, `smollm`, and splits as GPT-2 does. The
    # model was trained with every digit apart. It makes a difference behind several spaces, and where a byte of a digit
    # that is not ASCII merges with the space in front of it.
    digits = pre_tokenizers.Digits(individual_digits=True)
    splits = [digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    found = []
    for text, without in zip(STRINGS, plain):
        ids = tokenizer(text)["input_ids"]
        case = {"text": text, "ids": ids, "decoded": texts(tokenizer, ids)["decoded"]}
        found.append(case if ids == without else {**case, "as_gpt2": without})
    chats = []
    for messages in CONVERSATIONS.values():
        render = lambda **options: tokenizer.apply_chat_template(messages, add_generation_prompt=True, **options)  # noqa: B023, E731
        chats.append({"messages": messages, "rendered": render(tokenize=False), "ids": render(return_dict=False)})
    write(HERE / "smollm2.json", {}, cases=found, chats=chats)


if __name__ == "__main__":
    chat.datetime = Clock
    shutil.rmtree(HERE / "__pycache__", ignore_errors=True)
    write_chat()
    write_expressions()
    write_tokenizers()
    if os.environ.get("AVP_SMOLLM2"):
        write_smollm2(Path(os.environ["AVP_SMOLLM2"]))
