"""Shows that contexts go both ways between `avp` and the Python SDK, and that both continue them to the same text.

    cargo build --release -p avp --features cli,model
    python interchange.py --avp target/release/avp --model SmolLM2-135M-Instruct.Q4_1.gguf --report interchange.json

`--model` is a GGUF file or a folder with config.json, weights and tokenizer. Needs torch 2.15, transformers 5.23 (with
accelerate and gguf for GGUF files) and the SDK, avp 0.6.2. Not among the fast tests: about five minutes on two cores.

What the SDK feeds, and the command line tool has to feed too:

- A prompt becomes one user message, is rendered by the model's chat template with the generation prompt, and
  tokenised without added special tokens. `think` feeds these T ids at positions 0 … T-1 (behind a context of n
  positions: n …), then one embedding a step; a context of `steps` steps holds T + steps positions.
- `generate` with a context of n positions renders its own prompt in full again and feeds all of its ids at positions
  n …, with no separator and nothing left out, attending to the whole context. Then one token at a time.
- Greedy is the highest logit, without penalties as long as the model's generation_config has none. It stops at the
  model's end token or after `--max-tokens` ids. The text leaves out special tokens and blanks at both ends.

The SDK compares model hashes, and hashes transformers' expanded config, which no other program can. So `avp think` is
told to write the SDK's hash (`--model-hash`), and `avp generate` to take a context that fits by its shape
(`--accept-structural`).

Exit status: 0 when every comparison holds, 1 when one does not, 2 when a command failed.
"""

import argparse
import hashlib
import json
import logging
import pathlib
import subprocess
import sys
import tempfile
import warnings

import torch
from avp.context import AVPContext

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import reference_numbers as numbers  # noqa: E402

ORACLE = HERE.parent / "oracle"

PROMPTS = [
    "A shop sells pens at 3 dollars each and notebooks at 7 dollars each. Tom buys 4 pens and 2 notebooks. "
    "How much does he pay in total? Show the steps.",
    "Write a Python function `is_palindrome(s)` that ignores case and non-alphanumeric characters.",
    "Name three rivers and one city on each.",
]

TOKENS = 48

#: Both sides continue from the same bytes, so only rounding of their own passes is left (5e-5 in logits on the model of
#: `oracle/`). A choice closer than this may go either way, and the comparison ends there.
NEAR_TIE = 1e-3

#: Relative error (L2) of keys and values between two programs' own latent steps. Rounding grows on the way: 20 steps of
#: float32 differ from float64 by 1.4e-3 in the hidden state.
CACHE_TOLERANCE = 1e-2


class Failed(Exception):
    """A command that did not do its work; no comparison."""


class Avp:
    """The command line tool on one model."""

    def __init__(self, program, model):
        self.program, self.model = str(program), str(model)

    def version(self):
        return self.run("--version").strip()

    def think(self, prompt, out, steps, model_hash, context=None):
        more = ["--context", str(context), "--accept-structural"] if context else []
        arguments = ["think", prompt, "--model", self.model, "--steps", str(steps), "--model-hash", model_hash]
        self.run(*arguments, *more, "--out", str(out))

    def generate(self, prompt, context=None):
        """(text, ids) of the greedy continuation."""
        more = ["--context", str(context), "--accept-structural"] if context else []
        arguments = ["generate", prompt, "--model", self.model, *more]
        answer = json.loads(self.run(*arguments, "--max-tokens", str(TOKENS), "--greedy", "--json"))
        return answer["text"], answer["token_ids"]

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, encoding="utf-8")
        if done.returncode != 0:
            raise Failed(f"avp {' '.join(arguments)}: exit {done.returncode}\n{done.stderr.strip()}")
        return done.stdout


class Report:
    """Rows of the table; `good` until a comparison fails."""

    def __init__(self):
        self.rows, self.good = [], True

    def add(self, case, what, same, note, **facts):
        self.rows.append({"case": case, "what": what, "same": same, "note": note, **facts})
        self.good = self.good and same
        print(f"{'ok' if same else 'FAIL':5} {case:30} {what:10} {note}", flush=True)

    def text(self, case, end, ours, theirs):
        """Compares continuations: `ours` (text, ids), `theirs` (text, ids, margins)."""
        our_ids, their_ids = without_end(ours[1], end), without_end(theirs[1], end)
        at = numbers.first_difference(our_ids, their_ids)
        facts = {"ours": our_ids, "sdk": their_ids, "sdk_min_margin": min(theirs[2])}
        if at is None:
            self.add(case, "tokens", True, f"{len(our_ids)} identical", **facts)
            same = ours[0].strip() == theirs[0]
            self.add(case, "text", same, "identical" if same else f"{ours[0].strip()!r} / SDK {theirs[0]!r}")
            return
        margin = theirs[2][at] if at < len(theirs[2]) else float("inf")
        near = margin < NEAR_TIE
        note = f"differ at {at}, SDK's margin there {margin:.1e}{', a near tie' if near else ''}"
        self.add(case, "tokens", near, note, **facts)

    def cache(self, case, ours, theirs):
        """Compares two contexts' headers, counts, keys and values."""
        header = [(one.model_hash, one.model_family, one.hidden_dim, one.num_layers) for one in (ours, theirs)]
        same = header[0] == header[1]
        self.add(case, "header", same, "identical" if same else f"{header[0]} / SDK {header[1]}")
        shape = (ours.seq_len, ours.num_steps), (theirs.seq_len, theirs.num_steps)
        note = f"{shape[0][0]} positions, {shape[0][1]} steps"
        self.add(case, "counts", shape[0] == shape[1], note if shape[0] == shape[1] else f"{note} / SDK {shape[1]}")
        if shape[0] != shape[1]:
            return
        ours, theirs = numbers.layers_of(ours.past_key_values), numbers.layers_of(theirs.past_key_values)
        error = max(numbers.worst(a, b)[1] for one, other in zip(ours, theirs) for a, b in zip(one, other))
        same = len(ours) == len(theirs) and error <= CACHE_TOLERANCE
        self.add(case, "cache", same, f"largest relative error of a layer {error:.1e}", relative_error=error)


def without_end(ids, end):
    """Whether the end token is listed is a matter of taste; what follows it is not."""
    ends = set(end) if isinstance(end, list) else {end}
    cut = next((index for index, token in enumerate(ids) if token in ends), len(ids))
    return ids[:cut]


def compare(ours, sdk, folder, report, wire):
    """All cases; `wire` is a message of the SDK's about the same model, under another hash."""
    end = sdk.model.generation_config.eos_token_id
    own_hash = sdk.get_model_identity().model_hash

    def read(data):
        # Anew for each use: the SDK changes the context that it continues.
        context = AVPContext.from_bytes(data)
        # What a header says is compared where it matters; here a wrong hash would only end the script.
        context.model_hash = own_hash
        return context

    def continued(prompt, context=None):
        return numbers.continued(sdk, prompt, context, TOKENS)

    for index, prompt in enumerate(PROMPTS):
        report.text(f"direct, prompt {index}", end, ours.generate(prompt), continued(prompt))

    for index, prompt in enumerate(PROMPTS):
        case = f"ours to SDK, prompt {index}"
        path = folder / f"ours-{index}.avp"
        ours.think(prompt, path, 20, own_hash)
        data = path.read_bytes()
        report.cache(case, AVPContext.from_bytes(data), sdk.think(prompt, steps=20))
        report.text(case, end, ours.generate(prompt, path), continued(prompt, read(data)))

    contexts = [("fresh SDK context", prompt, sdk.think(prompt, steps=5).to_bytes()) for prompt in PROMPTS]
    contexts.append(("SDK context in bf16", PROMPTS[-1], halved(sdk.think(PROMPTS[-1], steps=5)).to_bytes()))
    if wire:
        contexts.append((wire.name, "Hi", wire.read_bytes()))
    for index, (case, prompt, data) in enumerate(contexts):
        case = f"{case}, {index}"
        path = folder / f"sdk-{index}.avp"
        path.write_bytes(data)
        report.text(case, end, ours.generate(prompt, path), continued(prompt, read(data)))
        same = path.read_bytes() == data
        report.add(case, "file", same, "unchanged" if same else "changed by reading")

    # Thinking goes on where the other side stopped.
    case, (first, second, third) = "SDK, then ours, then SDK", PROMPTS
    path, out = folder / "sdk-first.avp", folder / "ours-second.avp"
    path.write_bytes(sdk.think(first, steps=2).to_bytes())
    ours.think(second, out, 3, own_hash, context=path)
    data = out.read_bytes()
    report.cache(case, AVPContext.from_bytes(data), sdk.think(second, 3, read(path.read_bytes())))
    report.text(case, end, ours.generate(third, out), continued(third, read(data)))


def halved(context):
    """The context with keys and values rounded to bfloat16."""
    for layer in context.past_key_values.layers:
        layer.keys, layer.values = layer.keys.to(torch.bfloat16), layer.values.to(torch.bfloat16)
    return context


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--avp", type=pathlib.Path, default=pathlib.Path("target/release/avp"))
    arguments.add_argument("--model", type=pathlib.Path, required=True)
    arguments.add_argument("--report", type=pathlib.Path, help="write the comparisons as JSON")
    arguments = arguments.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")

    report, ours, failed = Report(), Avp(arguments.avp, arguments.model), None
    digest = hashlib.sha256(arguments.model.read_bytes()).hexdigest() if arguments.model.is_file() else None
    of_oracle = digest == json.loads((ORACLE / "oracle.json").read_text())["gguf_sha256"]
    try:
        version = ours.version()
        sdk = numbers.connect(arguments.model, arguments.model.stem)
        with tempfile.TemporaryDirectory() as folder:
            compare(ours, sdk, pathlib.Path(folder), report, ORACLE / "wire_think2_Hi.avp" if of_oracle else None)
    except Failed as error:
        failed = str(error)
        print(failed, file=sys.stderr)
    if arguments.report:
        facts = {"avp": None if failed else version, "sdk": numbers.versions()}
        facts |= {"model": arguments.model.name, "model_sha256": digest}
        facts |= {"tokens": TOKENS, "good": report.good and not failed, "failed": failed, "rows": report.rows}
        arguments.report.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    print(f"{sum(row['same'] for row in report.rows)} of {len(report.rows)} comparisons hold")
    sys.exit(2 if failed else 0 if report.good else 1)


if __name__ == "__main__":
    main()
