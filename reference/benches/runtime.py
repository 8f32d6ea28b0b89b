"""Times the model runtime beside torch and llama.cpp on one GGUF: same machine, turn by turn in one run.

    cargo build --release -p avp --features model --example measure
    python runtime.py --model SmolLM2-135M-Instruct.Q4_1.gguf --measure target/release/examples/measure

Four sides: ours in float32, ours on the file's own quantised blocks, torch with transformers in float32, and llama.cpp on
the blocks through llama-cpp-python. A side that is not installed is left out, and the table says so.

A turn: prefill 200 tokens, write their cache as a message and read it (llama.cpp has none), decode 32 behind them, take 8
latent steps (llama.cpp has none), prefill 512 tokens. Turns alternate, so that the machine's mood falls on all; read the ratios, not the milliseconds. Run it on an idle machine: where
others want the cores too, threads wait for each other and times with two of them mean nothing.

Two columns say how far a phase is from what the memory allows: the bytes of weights that a token or a prompt reads, over the
bandwidth of a plain copy, measured in the same run with as many threads.

`measure MODEL --json` prints one object with `prefill_200_ms`, `prefill_512_ms`, `decode_ms`, `latent_ms`, `kv_to_bytes_ms` and
`kv_from_bytes_ms`, each a list of samples, `bytes_a_token` and `copy_bytes_a_second`. Its threads are set by RAYON_NUM_THREADS.

Needs torch, transformers with accelerate and gguf, and the SDK `avp` (written for 2.15, 5.23 and 0.6.2);
llama-cpp-python is optional (run with 0.3.36, built from source with CMAKE_ARGS=-DGGML_NATIVE=ON).
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

PREFILLED = 200
LONG = 512
DECODED = 32
LATENT = 8
ROWS = ("prefill_200", "prefill_512", "decode", "latent", "kv_to_bytes", "kv_from_bytes")

#: Any id below every vocabulary would do; these are spread so that the embedding rows are not all in one cache line.
IDS = [(97 * index + 11) % 8191 + 3 for index in range(LONG)]

#: (ours, other, row, ratio): the largest ratio of times that the project aims at, for any number of threads.
GOALS = [
    ("ours f32", "torch f32", "decode", 1 / 1.5),
    ("ours f32", "torch f32", "prefill_200", 1 / 1.2),
    ("ours f32", "torch f32", "prefill_512", 1 / 1.2),
    ("ours f32", "torch f32", "latent", 1 / 3),
    ("ours blocks", "llama.cpp", "decode", 1.0),
]

#: Between turns: threads of the side that just ran spin for a moment before they sleep.
PAUSE_S = 0.5

#: Load a core above which the run is warned about.
BUSY = 0.3


class Ours:
    def __init__(self, name, program, model, *options):
        self.name = name
        self.command = [str(program), str(model), "--json", *options]
        self.limits = {}

    def turn(self, threads):
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        done = subprocess.run(self.command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        moved = found["bytes_a_token"] / found["copy_bytes_a_second"] * 1e3
        self.limits[threads] = min(moved, self.limits.get(threads, moved))
        return {row: found[f"{row}_ms"] for row in ROWS}

    def close(self):
        pass


class Worker:
    """A process of its own that keeps the model, so that this one stays small and each turn skips the loading."""

    def __init__(self, name, kind, model, *options):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", kind, "--model", str(model), *options],
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
            raise SystemExit(f"the process of {self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(samples, work, wait=lambda: None):
    """`wait` returns when the device has done what it was told."""
    start = time.perf_counter()
    out = work()
    wait()
    samples.append((time.perf_counter() - start) * 1e3)
    return out


def torch_worker(model_path, device="cpu", dtype="float32"):
    """Loads the model, then runs one turn for each number of threads read from stdin."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
    import reference_numbers as numbers
    import torch

    name = pathlib.Path(model_path).stem
    connector = numbers.connect(model_path, name, device=device, dtype=getattr(torch, dtype))
    print("{}", flush=True)
    for line in sys.stdin:
        torch.set_num_threads(int(line))
        with torch.inference_mode():
            print(json.dumps(torch_turn(numbers, connector)), flush=True)


def torch_turn(numbers, connector):
    import torch
    from avp.context import AVPContext

    model, found = connector.model, {row: [] for row in ROWS}
    device, vocabulary = model.device, model.config.vocab_size
    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    long = numbers.as_batch([index % vocabulary for index in IDS]).to(device)
    short = long[:, :PREFILLED]
    timed(found["prefill_512"], lambda: model(input_ids=long, use_cache=True, logits_to_keep=1), wait)
    out = timed(found["prefill_200"], lambda: model(input_ids=short, use_cache=True, logits_to_keep=1), wait)
    cache = out.past_key_values

    # The SDK's, before decoding makes the cache longer.
    context = AVPContext(past_key_values=cache, model_hash="00" * 32, num_steps=0, seq_len=PREFILLED)
    message = timed(found["kv_to_bytes"], context.to_bytes, wait)
    timed(found["kv_from_bytes"], lambda: AVPContext.from_bytes(message, device=str(device)), wait)

    def decode(token):
        out = model(input_ids=token, past_key_values=cache, use_cache=True)
        return out.logits[:, -1:].argmax(-1)

    token = out.logits[:, -1:].argmax(-1)
    for _ in range(DECODED):
        token = timed(found["decode"], lambda: decode(token), wait)

    def think(hidden):
        embed = numbers.injected(connector, hidden)[None].to(device, model.dtype)
        out = model(inputs_embeds=embed, past_key_values=cache, use_cache=True, output_hidden_states=True)
        return out.hidden_states[-1][:, -1]

    hidden = model(input_ids=token, past_key_values=cache, use_cache=True, output_hidden_states=True).hidden_states[-1]
    hidden = hidden[:, -1]
    for _ in range(LATENT):
        hidden = timed(found["latent"], lambda: think(hidden), wait)
    return found


def llama_worker(model_path):
    """As [`torch_worker`]; the number of threads is set when a context is made, so each has its own."""
    import llama_cpp

    models = {}
    print("{}", flush=True)
    for line in sys.stdin:
        threads = int(line)
        if threads not in models:
            models[threads] = llama_cpp.Llama(
                str(model_path), n_ctx=1024, n_batch=LONG, n_ubatch=LONG, n_threads=threads,
                n_threads_batch=threads, verbose=False,
            )
        print(json.dumps(llama_turn(models[threads])), flush=True)


def llama_turn(model):
    found = {row: [] for row in ROWS}
    model.reset()
    timed(found["prefill_512"], lambda: model.eval(IDS))
    model.reset()
    timed(found["prefill_200"], lambda: model.eval(IDS[:PREFILLED]))
    for index in range(DECODED):
        timed(found["decode"], lambda: model.eval([IDS[index]]))
    return found


def load_average():
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None


def measure(sides, threads, rounds):
    """(side, threads, row) -> samples in ms, after one turn each that does not count."""
    samples = {}
    for count in threads:
        for number in range(rounds + 1):
            # The side that begins changes, so that none always follows the same one.
            start = number % len(sides)
            for side in sides[start:] + sides[:start]:
                time.sleep(PAUSE_S)
                found = side.turn(count)
                if number:
                    for row in ROWS:
                        samples.setdefault((side.name, count, row), []).extend(found[row])
    return samples


def table(samples, sides, threads):
    """Prints the best of each and what memory allows; returns the rows."""
    names, rows = [side.name for side in sides], []
    print(f"\n{'best, ms':12} {'threads':>7} " + " ".join(f"{name:>12}" for name in names), end="")
    print(f" {'memory: f32':>12} {'blocks':>8}")
    for row in ROWS:
        for count in threads:
            best = {name: min(samples[name, count, row], default=None) for name in names}
            medians = {name: statistics.median(samples[name, count, row]) for name in names if samples[name, count, row]}
            # A prompt reads the weights once for all of its tokens, a token for itself.
            limits = {side.name: side.limits[count] for side in sides if isinstance(side, Ours)}
            print(f"{row:12} {count:7} ", end="")
            print(" ".join(f"{value:12.2f}" if value is not None else f"{'-':>12}" for value in best.values()), end="")
            print(f" {limits.get('ours f32', 0):12.2f} {limits.get('ours blocks', 0):8.2f}")
            rows.append({"row": row, "threads": count, "best_ms": best, "median_ms": medians, "memory_ms": limits})
    return rows


def goals(rows, threads):
    """Prints each goal beside what was found; returns them."""
    print("\ntime to that of another side, best of each")
    found = []
    for ours, other, row, most in GOALS:
        for count in threads:
            best = next(r["best_ms"] for r in rows if (r["row"], r["threads"]) == (row, count))
            if best.get(ours) and best.get(other):
                ratio = best[ours] / best[other]
                met = "reached" if ratio <= most else "missed"
                print(f"{row:12} {count} threads  {ours:12} / {other:10} {ratio:5.2f}  goal {most:.2f}  {met}")
                found.append({"row": row, "threads": count, "ours": ours, "other": other, "ratio": ratio, "goal": most})
    if {1, 2} <= set(threads):
        # Messages are copied by one thread.
        for row in (row for row in ROWS if not row.startswith("kv_")):
            for name in ("ours f32", "ours blocks"):
                one, two = (
                    next(r["best_ms"].get(name) for r in rows if (r["row"], r["threads"]) == (row, count)) for count in (1, 2)
                )
                met = "reached" if two < one else "missed"
                print(f"{row:12} 2 threads / 1   {name:12} {two / one:18.2f}  goal below 1  {met}")
                found.append({"row": row, "threads": 2, "ours": name, "other": "one thread", "ratio": two / one, "goal": 1.0})
    return found


def installed(name):
    return importlib.util.find_spec(name) is not None


def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--measure", type=pathlib.Path, default=pathlib.Path("target/release/examples/measure"))
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--report", type=pathlib.Path, help="write the numbers as JSON")
    parser.add_argument("--worker", choices=("torch", "llama"), help=argparse.SUPPRESS)
    parser.add_argument("--device", default="cpu", help=argparse.SUPPRESS)
    parser.add_argument("--dtype", default="float32", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker == "torch":
        return torch_worker(arguments.model, arguments.device, arguments.dtype)
    if arguments.worker == "llama":
        return llama_worker(arguments.model)

    before = load_average()
    if before and before[0] > BUSY * os.cpu_count():
        print(f"the machine is busy (load {before[0]}): ratios will not mean much", file=sys.stderr)
    sides = [
        Ours("ours f32", arguments.measure, arguments.model),
        Ours("ours blocks", arguments.measure, arguments.model, "--quantised"),
    ]
    for name, kind, needs in (("torch f32", "torch", "torch"), ("llama.cpp", "llama", "llama_cpp")):
        if installed(needs):
            sides.append(Worker(name, kind, arguments.model))
        else:
            print(f"{name} is left out: {needs} is not installed", file=sys.stderr)
    samples = measure(sides, arguments.threads, arguments.rounds)
    for side in sides:
        side.close()
    print(f"{arguments.rounds} rounds; load {before} before, {load_average()} after, on {os.cpu_count()} cores")
    rows = table(samples, sides, arguments.threads)
    reached = goals(rows, arguments.threads)
    if arguments.report:
        names = ("avp", "torch", "transformers", "llama-cpp-python")
        versions = {name: version(name) for name in names}
        facts = {"versions": versions, "model": arguments.model.name, "cores": os.cpu_count(), "rows": rows, "goals": reached}
        arguments.report.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
