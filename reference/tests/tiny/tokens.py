"""Two small tokenizers with chat templates, trained here: a byte-level BPE as Llama 3 and Qwen have it, and a BPE over
words that begin with U+2581 as SentencePiece models have it."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

CORPUS = [
    "the red pen lies on the table and the blue pen lies under it.",
    "count the pens, then count the tables, then write the answer down.",
    "seven agents share one memory; each reads what the other wrote.",
    "a vector is not a sentence, but it can stand in for one.",
    "how many boxes? three times four is twelve, and ten are left over.",
    "quick jumps over lazy dogs need every letter: fix, wave, zebra.",
    "first line\nsecond line\nthird line",
    "0123456789",
]

SPECIAL = ["<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]

#: Adds a system line where the caller has none, as SmolLM2's does.
WITH_SYSTEM = (
    "{{ bos_token }}"
    "{%- if messages[0]['role'] != 'system' -%}<|system|>count well<|end|>{%- endif -%}"
    "{%- for message in messages -%}"
    "<|{{ message['role'] }}|>{{ message['content'] | trim }}{{ eos_token }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)

PLAIN = (
    "{% for message in messages %}"
    "<|{{ message.role }}|>{{ message.content }}\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def byte_level(vocab):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return wrap(tokenizer, WITH_SYSTEM)


def metaspace(vocab):
    tokenizer = Tokenizer(models.BPE(unk_token="<|unknown|>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(replacement="\u2581", prepend_scheme="first")
    trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=[*SPECIAL, "<|unknown|>"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return wrap(tokenizer, PLAIN, unk_token="<|unknown|>")


def wrap(tokenizer, template, **more):
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin|>",
        eos_token="<|end|>",
        pad_token="<|end|>",
        chat_template=template,
        **more,
    )


#: model -> (tokenizer of so many tokens, whether the template gets a file of its own)
TOKENIZERS = {
    "llama-tied": (byte_level, False),
    "qwen2-untied": (metaspace, True),
}

#: Prompts of the text numbers. The second has blanks at its ends, the third characters outside the vocabularies.
PROMPTS = ["count the red pens", "  how many boxes?\n", "naïve: 3 × 4"]
