"""`avp serve` as a process, and what is known of the model behind it. Needs nothing but Python 3.10."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

MODEL = "pocket-a"
FACTS = "Ann visits Rome. Rome sells silk. Ben visits Oslo. Oslo sells tea."
QUESTION = "What can Ann buy?"
# What only who has read the facts can know.
ANSWER = "silk"
MODELS = pathlib.Path(__file__).resolve().parent.parent / "models"


def binary():
    """The program `avp`, from the variable AVP or the PATH."""
    found = os.environ.get("AVP") or shutil.which("avp")
    if not found or not shutil.which(found):
        sys.exit("no avp: put it on the PATH or name it in AVP; cargo build --release -p avp --features cli,http,model")
    return found


def run(*args, **options):
    """Runs `avp` with these arguments to its end. Its exit code, standard output and error."""
    done = subprocess.run([binary(), *args], capture_output=True, text=True, timeout=120, **options)
    return done.returncode, done.stdout, done.stderr


def think(folder, model=MODEL, prompt=f"{FACTS} Take a note.", name="note.avp"):
    """A message with the context of a model that has read the facts: its path."""
    path = pathlib.Path(folder) / name
    code, _, said = run("think", prompt, "-m", model, "-o", str(path))
    if code:
        raise RuntimeError(said)
    return path


def vocabulary(model=MODEL):
    """Text and id of every token."""
    tokenizer = json.loads((MODELS / model / "tokenizer.json").read_text())
    return {**tokenizer["model"]["vocab"], **{token["content"]: token["id"] for token in tokenizer["added_tokens"]}}


def config(model=MODEL):
    """The model's configuration."""
    return json.loads((MODELS / model / "config.json").read_text())


class Serving:
    """A server for as long as a `with` lasts: on a free port, in cleartext unless `tls`."""

    def __init__(self, *args, tls=False, model=MODEL, token=None):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.certificate = self.folder / "certificate.pem"
        how = ["--write-cert", str(self.certificate)] if tls else ["--insecure-loopback"]
        environment = {name: value for name, value in os.environ.items() if name not in ("AVP_TOKEN", "AVP_TOKENS")}
        if token:
            environment["AVP_TOKEN"] = token
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen(
            [binary(), "serve", "--model", model, "--listen", "127.0.0.1:0", "--json", *how, *args],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment,
        )
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(f"avp serve did not start: {self.logged()}")
        self.said = json.loads(line)
        self.url = self.said["listening"]
        host, self.port = self.url.split("//")[1].rsplit(":", 1)
        self.address = (host, int(self.port))

    def logged(self):
        """What the server has logged."""
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        """Asks it to end, and waits. Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
