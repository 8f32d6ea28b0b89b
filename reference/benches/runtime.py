"""Times the model runtime beside torch with transformers on one GGUF: same machine, float32, turn by turn in one run.

    cargo build --release -p avp --features model --example measure
    python runtime.py --model SmolLM2-135M-Instruct.Q4_1.gguf --measure target/release/examples/measure

A turn of either side: prefill 200 tokens, decode 32 behind them, then take 8 latent steps. Turns alternate, so that the
machine's mood falls on both; read the ratios, not the milliseconds. The last column is the ratio that the experiment
before this runtime had (best of its runs). Run it on an idle machine: where others want the cores too, torch's threads
wait for each other and its times with two threads mean nothing.

`measure MODEL --json` prints one object with `prefill_ms`, `decode_ms` and `latent_ms`, each a number or a list of
samples (decode and latent: one sample a token or step). Its threads are set by RAYON_NUM_THREADS.

Needs torch, transformers with accelerate and gguf, and the SDK `avp` (written for 2.15, 5.23 and 0.6.2).
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

PREFILLED = 200
DECODED = 32
LATENT = 8
ROWS = ("prefill", "decode", "latent")

#: Any id below every vocabulary would do; these are spread so that the embedding rows are not all in one cache line.
IDS = [(97 * index + 11) % 8191 + 3 for index in range(PREFILLED)]

#: (row, threads) -> time to torch's. Decode had a matrix-vector product of its own, prefill was plain burn-flex 0.21.
EXPERIMENT = {("decode", 1): 0.40, ("decode", 2): 0.21, ("prefill", 1): 1.30, ("prefill", 2): 1.14}

#: Between turns: threads of the side that just ran spin for a moment before they sleep.
PAUSE_S = 0.5

#: Load a core above which the run is warned about.
BUSY = 0.3


class Ours:
    name = "ours"

    def __init__(self, program, model):
        self.command = [str(program), str(model), "--json"]

    def turn(self, threads):
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        done = subprocess.run(self.command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        return {row: as_list(found[f"{row}_ms"]) for row in ROWS}


class Torch:
    """A process of its own that keeps the model, so that this one stays small and each turn skips the loading."""

    name = "torch"

    def __init__(self, model):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", "--model", str(model)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer()

    def turn(self, threads):
        print(threads, file=self.process.stdin, flush=True)
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the torch process ended with {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def as_list(value):
    return value if isinstance(value, list) else [value]


def worker(model_path):
    """Loads the model, then runs one turn for each number of threads read from stdin."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
    import reference_numbers as numbers
    import torch

    connector = numbers.connect(model_path, pathlib.Path(model_path).stem)
    model = connector.model
    ids = numbers.as_batch(IDS)
    print("{}", flush=True)
    for line in sys.stdin:
        torch.set_num_threads(int(line))
        with torch.inference_mode():
            print(json.dumps(torch_turn(numbers, connector, model, ids)), flush=True)


def torch_turn(numbers, connector, model, ids):
    def timed(samples, work):
        start = time.perf_counter()
        out = work()
        samples.append((time.perf_counter() - start) * 1e3)
        return out

    found = {row: [] for row in ROWS}
    out = timed(found["prefill"], lambda: model(input_ids=ids, use_cache=True, logits_to_keep=1))
    cache = out.past_key_values

    def decode(token):
        out = model(input_ids=token, past_key_values=cache, use_cache=True)
        return out.logits[:, -1:].argmax(-1)

    token = out.logits[:, -1:].argmax(-1)
    for _ in range(DECODED):
        token = timed(found["decode"], lambda: decode(token))

    def think(hidden):
        embed = numbers.injected(connector, hidden)[None]
        out = model(inputs_embeds=embed, past_key_values=cache, use_cache=True, output_hidden_states=True)
        return out.hidden_states[-1][:, -1]

    hidden = model(input_ids=token, past_key_values=cache, use_cache=True, output_hidden_states=True).hidden_states[-1]
    hidden = hidden[:, -1]
    for _ in range(LATENT):
        hidden = timed(found["latent"], lambda: think(hidden))
    return found


def load_average():
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None


def measure(sides, threads, rounds):
    """(side, threads, row) -> samples in ms, after one turn each that does not count."""
    samples = {}
    for count in threads:
        for number in range(rounds + 1):
            # The side that begins changes, so that neither always follows the other.
            for side in sides if number % 2 == 0 else reversed(sides):
                time.sleep(PAUSE_S)
                found = side.turn(count)
                if number:
                    for row in ROWS:
                        samples.setdefault((side.name, count, row), []).extend(found[row])
    return samples


def table(samples, threads):
    """Prints best and median of each; returns the rows."""
    print(f"{'':8} {'threads':>7} {'ours best':>10} {'median':>8} {'torch best':>11} {'median':>8}", end="")
    print(f" {'ratio best':>11} {'median':>7} {'experiment':>11}")
    rows = []
    for row in ROWS:
        for count in threads:
            ours, torch = (samples[name, count, row] for name in ("ours", "torch"))
            best, median = min(ours) / min(torch), statistics.median(ours) / statistics.median(torch)
            before = EXPERIMENT.get((row, count))
            print(f"{row:8} {count:7} {min(ours):10.1f} {statistics.median(ours):8.1f}", end="")
            print(f" {min(torch):11.1f} {statistics.median(torch):8.1f} {best:11.2f} {median:7.2f}", end="")
            print(f" {before if before is not None else '':>11}")
            rows.append(
                {
                    "row": row,
                    "threads": count,
                    "ours_ms": {"best": min(ours), "median": statistics.median(ours), "samples": len(ours)},
                    "torch_ms": {"best": min(torch), "median": statistics.median(torch), "samples": len(torch)},
                    "ratio": {"best": best, "median": median, "experiment": before},
                }
            )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--measure", type=pathlib.Path, default=pathlib.Path("target/release/examples/measure"))
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--report", type=pathlib.Path, help="write the numbers as JSON")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(arguments.model)

    before = load_average()
    if before and before[0] > BUSY * os.cpu_count():
        print(f"the machine is busy (load {before[0]}): ratios will not mean much", file=sys.stderr)
    torch = Torch(arguments.model)
    samples = measure([Ours(arguments.measure, arguments.model), torch], arguments.threads, arguments.rounds)
    torch.close()
    print(f"ms, {arguments.rounds} rounds; load {before} before, {load_average()} after, on {os.cpu_count()} cores")
    rows = table(samples, arguments.threads)
    if arguments.report:
        versions = {name: importlib.metadata.version(name) for name in ("avp", "torch", "transformers")}
        facts = {"versions": versions, "model": arguments.model.name, "cores": os.cpu_count(), "rows": rows}
        arguments.report.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
