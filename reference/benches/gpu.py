"""Holds a card beside the host path and beside transformers, and writes the report; `gpu.sh` builds and calls it.

    python gpu.py --device cuda --programs target/release/examples --model SmolLM2-135M-Instruct.Q4_1.gguf --out reports/gpu

Parity comes from the example `parity`, which compares and knows the bounds. Times come from the example `measure` and from
the torch side of `runtime.py`, turn by turn in one run; the best of each counts. `--device rehearsal` runs the card's code
on the CPU and says so in the report.

Exits with 1 when something is beyond its bound or a step failed.
"""

import argparse
import datetime
import importlib.util
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

import runtime

#: Model, and what its states are projected onto: one tokenizer, and tokens that are shared.
PAIRS = [("pocket-a", ["pocket-b", "pocket-c"]), ("pocket-b", ["pocket-a"])]
#: What the larger model's states are projected onto.
SMALL = ["pocket-a"]
#: Element types as ours and torch call them.
TYPES = [("f32", "float32"), ("bf16", "bfloat16")]

#: How often the sides take turns, and passes over everything in a turn, of which the first compiles kernels. Once in a
#: rehearsal, whose times mean nothing.
ROUNDS = {"cuda": 2, "rehearsal": 1}
PASSES = {"cuda": 3, "rehearsal": 1}

NAMES = {
    "prefill_200": "prefill, 200 tokens",
    "prefill_512": "prefill, 512 tokens",
    "decode": "decode, a token",
    "latent": "latent step",
    "kv_to_bytes": "KV to_bytes, 200 tokens",
    "kv_from_bytes": "KV from_bytes, 200 tokens",
}


def run(command):
    """Standard output of a command; what it said on the other stream goes through."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True)


def card():
    """Name and driver of the first card that programs see, and the driver's CUDA."""
    # CUDA counts the fastest first unless told otherwise, nvidia-smi by the bus.
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip() or "0"
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader", f"--id={first}"]
    name, driver, memory = (part.strip() for part in run(query).stdout.strip().split(","))
    cuda = re.search(r"CUDA Version: *([0-9.]+)", run(["nvidia-smi"]).stdout)
    return {"card": f"{name}, {memory}", "driver": driver, "CUDA": cuda.group(1) if cuda else "unknown"}, name


def parity(arguments, model, onto, dtype):
    """What the example says; None when it did not get to its end."""
    command = [str(arguments.programs / "parity"), str(model), "--device", arguments.device, "--dtype", dtype, "--json"]
    done = run(command + [word for target in onto for word in ("--onto", target)])
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return None


def times(arguments, dtype, torch_dtype):
    """(ours, torch): row -> best ms; torch's is empty where it is not installed. None, or empty for ours: it did not get to its end."""
    command = [str(arguments.programs / "measure"), str(arguments.model), "--device", arguments.device, "--dtype", dtype]
    torch_device = "cuda" if arguments.device == "cuda" else "cpu"
    sides, ours, torch = [], [], []
    if all(importlib.util.find_spec(name) for name in ("torch", "transformers", "avp")):
        try:
            side = runtime.Worker("torch", "torch", arguments.model, "--device", torch_device, "--dtype", torch_dtype)
            sides.append(side)
        except SystemExit as ended:
            print(ended, file=sys.stderr)
            torch = [None]
    passes = PASSES[arguments.device]
    for _ in range(ROUNDS[arguments.device]):
        done = run([*command, "--rounds", str(passes), "--json"])
        if done.returncode == 0:
            ours.append(json.loads(done.stdout))
        try:
            torch += [side.turn(1) for side in sides for _ in range(passes)]
        except SystemExit as ended:
            print(ended, file=sys.stderr)
            sides, torch = [], [None]
    for side in sides:
        side.close()
    if None in torch:
        return best(ours, "_ms"), None
    return best(ours, "_ms"), best(torch, "")


def best(turns, ending):
    """row -> least of all samples; latent steps of a model with two embeddings are not timed, so that row may be missing."""
    samples = {row: [sample for found in turns for sample in found[row + ending]] for row in NAMES}
    return {row: min(values) for row, values in samples.items() if values}


def commit():
    done = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() or "unknown"


def parity_table(results):
    lines = ["| model | type | check | relative error | bound | |", "|---|---|---|---|---|---|"]
    for found in results:
        for check in found["checks"]:
            error, bound = check["error"], check["bound"]
            shown = "not a number" if error is None else f"{error:.1e}"
            verdict = "within" if error is not None and bound is not None and error <= bound else "**beyond**"
            most, verdict = ("–", "shown only") if bound is None else (f"{bound:.0e}", verdict)
            name = pathlib.Path(found["model"]).stem
            lines.append(f"| {name} | {found['dtype']} | {check['name']} | {shown} | {most} | {verdict} |")
    return lines


def speed_table(measured):
    lines = ["| | " + " | ".join(f"ours {dtype} | theirs {dtype} | speed" for dtype, *_ in measured) + " |"]
    lines.append("|---" * (1 + 3 * len(measured)) + "|")
    for row, name in NAMES.items():
        cells = []
        for _, ours, theirs in measured:
            own, other = ours.get(row), (theirs or {}).get(row)
            cells += [f"{time:.2f}" if time else "–" for time in (own, other)]
            cells.append(f"{other / own:.2f}×" if own and other else "–")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def report(arguments, facts, title, results, failed, measured):
    lines = [f"# {title}", ""]
    if arguments.device != "cuda":
        lines += ["A rehearsal on a CPU: no card was used. Errors are those of the card's code on burn's CPU backend; times mean nothing.", ""]
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines += ["", "## Parity", "", "The card beside the host path of the same element type, relative error (L2). Latent steps one behind the"]
    lines += ["other amplify a difference, so in half precision those have no bound; a step from the host's cache has.", ""]
    lines += parity_table(results)
    lines += [f"\n`{' '.join(map(str, words))}` did not get to its end." for words in failed]
    lines += ["", "## Speed", "", f"Milliseconds, the best of each, on {arguments.model.stem} with one sequence. Theirs: transformers; for"]
    lines += ["latent steps and caches as messages the Python SDK on the same card. Speed: theirs over ours, the goal is 1.0× or more.", ""]
    lines += speed_table(measured)
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "rehearsal"), required=True)
    parser.add_argument("--features", default="", help="what the programs were built with, for the report")
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    today = datetime.date.today().isoformat()
    if arguments.device == "cuda":
        facts, name = card()
    else:
        facts, name = {"machine": platform.machine()}, "rehearsal"
    facts |= {"date": today, "commit": commit(), "features": arguments.features, "model": arguments.model.name}
    facts |= {name: runtime.version(name) or "not installed" for name in ("torch", "transformers", "avp")}

    results, failed = [], []
    for dtype, _ in TYPES:
        for model, onto in [*PAIRS, (arguments.model, SMALL)]:
            found = parity(arguments, model, onto, dtype)
            if found:
                results.append(found)
            else:
                failed.append(("parity", pathlib.Path(model).stem, dtype))
    measured = [(dtype, *times(arguments, dtype, torch_dtype)) for dtype, torch_dtype in TYPES]
    failed += [("measure", arguments.model.stem, dtype) for dtype, ours, _ in measured if not ours]
    failed += [("torch", arguments.model.stem, dtype) for dtype, _, theirs in measured if theirs is None]

    title = f"{name}, {today}" if arguments.device == "cuda" else f"Rehearsal, {today}"
    text = report(arguments, facts, title, results, failed, measured)
    arguments.out.mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    path = arguments.out / f"{slug}-{today}.md"
    path.write_text(text)
    print(path)
    return 0 if not failed and all(found["within"] for found in results) else 1


if __name__ == "__main__":
    sys.exit(main())
