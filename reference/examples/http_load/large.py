"""A context of 390 MiB from `avp send` to a server, over HTTP/1.1, HTTP/2 and TLS: what it takes of both processes' memory.

    cargo build --release -p avp --features cli,adapter,http
    python3 large.py target/release [MIB]

Fails when a server holds the message more than once, or the client more than pieces of it. Needs Python 3.10 and Linux.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
# What a server has beside the message, and a client beside what it is just sending.
BESIDE = 48 * MIB
CLIENT = 64 * MIB


def main():
    programs = pathlib.Path(sys.argv[1])
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 390
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        payload, message = folder / "payload.bin", folder / "context.avp"
        with payload.open("wb") as file:
            block = os.urandom(MIB)
            for _ in range(size):
                file.write(block)
        metadata = {
            "mode": "LATENT", "payload_type": "HIDDEN_STATE", "dtype": "FLOAT32", "hidden_dim": 1024,
            "tensor_shape": [size * 256, 1024], "extra": {"model_hash": "ab"},
        }
        run(programs / "avp", "encode", payload, "--metadata", json.dumps(metadata), "-o", message)
        payload.unlink()
        for transport, version in (("h1", "--http1"), ("h2c", "--http2"), ("h2", "--http2")):
            server = Server(programs)
            told = server.ask("serve", transport=transport, identity={"model_hash": "ab"},
                              limits={"max_message": (size + 1) * MIB})
            options = ["--insecure-loopback"]
            if "pem" in told:
                (folder / "server.pem").write_text(told["pem"])
                options = ["--ca", folder / "server.pem"]
            url = f"{'https' if 'pem' in told else 'http'}://localhost:{told['port']}"
            begun = time.monotonic()
            said, client = run(programs / "avp", "send", message, "--to", url, version, "--json", *options)
            took = time.monotonic() - begun
            sent = json.loads(said)
            peak = server.ask("rss")["peak_bytes"]
            good = sent["kept"] and size * MIB <= peak < size * MIB + BESIDE and client < CLIENT
            broken += not good
            print(f"{'ok' if good else 'FAILED':<8} {transport}: {size} MiB in {took:.2f} s, server {peak / MIB:.0f} MiB "
                  f"and client {client / MIB:.0f} MiB at most, kept {sent['kept']}", flush=True)
            server.end()
    sys.exit(1 if broken else 0)


def run(*command):
    """What a program says, and the most memory that it held."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([str(part) for part in command], stdout=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{command[0]} {command[1]} ended with {process.returncode}")
        said.seek(0)
        return said.read(), usage.ru_maxrss * 1024


class Server:
    """A server behind the adapter, which tells the most memory that it ever held."""

    def __init__(self, programs):
        self.process = subprocess.Popen([programs / "avp-adapter", "--framing", "ndjson"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, op, **args):
        request = {"id": 1, "op": op, "args": args, "parts": [], "blob": ""}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())["ok"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


if __name__ == "__main__":
    main()
