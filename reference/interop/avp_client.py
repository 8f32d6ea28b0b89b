#!/usr/bin/env python3
# pip install 'avp[transport]==0.6.2' fastapi==0.165.0 uvicorn==0.54.0 hypercorn==0.18.0 h2==4.4.1    and openssl, for a certificate
"""`avp handshake` and `avp send` against the Python SDK's create_app under uvicorn and hypercorn: HTTP/1.1, HTTP/2 over TLS and in
cleartext, the handshake that echoes, the errors, the way back to text."""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from avp import codec

from checks import Checks, Skip, equal, holds
from serving import FACTS, MODEL, MODELS, QUESTION, run, think

HERE = pathlib.Path(__file__).resolve().parent
IDENTITY = ["--identity", str(MODELS / MODEL / "config.json")]
TOKEN = "a-token-for-these-checks"
# Name, server, TLS, the options of `avp` that go with it, and the version of HTTP that the server sees.
WAYS = [
    ("uvicorn h1", "uvicorn", False, ["--http1"], "1.1"),
    ("uvicorn auto", "uvicorn", False, [], "1.1"),
    ("uvicorn tls auto", "uvicorn", True, [], "1.1"),
    ("hypercorn tls auto", "hypercorn", True, [], "2"),
    ("hypercorn h1 tls", "hypercorn", True, ["--http1"], "1.1"),
    ("hypercorn h2c", "hypercorn", False, ["--http2"], "2"),
]


class Certificate:
    """A certificate for localhost by an authority of its own."""

    def __init__(self, folder):
        self.authority, self.chain, self.key = (folder / name for name in ("ca.pem", "chain.pem", "key.pem"))
        if not shutil.which("openssl"):
            raise Skip("no openssl to make a certificate with")
        ca_key, request, names = folder / "ca-key.pem", folder / "request.pem", folder / "names"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        for command in (
            ["req", "-x509", *curve, "-days", "2", "-subj", "/CN=interop", "-keyout", ca_key, "-out", self.authority,
             "-addext", "basicConstraints=critical,CA:TRUE"],
            ["req", *curve, "-subj", "/CN=localhost", "-keyout", self.key, "-out", request],
            ["x509", "-req", "-in", request, "-CA", self.authority, "-CAkey", ca_key, "-set_serial", "1", "-days", "2",
             "-extfile", names, "-out", self.chain],
        ):
            subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)


@contextlib.contextmanager
def sdk(*args, token=None):
    """The SDK's server as a process: what it said."""
    environment = {name: value for name, value in os.environ.items() if name != "SDK_SERVER_TOKEN"}
    if token:
        environment["SDK_SERVER_TOKEN"] = token
    command = [sys.executable, str(HERE / "sdk_server.py"), *map(str, args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("sdk_server.py did not start; run it by hand")
        yield json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def client(command, *args, token=None):
    """`avp` with these arguments: its exit code, its JSON or None, what it said on standard error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AVP_TOKEN")}
    if token:
        environment["AVP_TOKEN"] = token
    code, out, said = run(command, *map(str, args), "--json", env=environment)
    return code, json.loads(out) if out.strip() else None, said


def behaviour(checks, way, server, tls, how, version, certificate, note):
    """Everything that create_app does, one server after another."""
    message = codec.decode(note.read_bytes())
    base = ["--server", server]
    more = list(how)
    if tls:
        base += ["--certificate", certificate.chain, "--key", certificate.key]
        more += ["--ca", certificate.authority]
    else:
        more += ["--insecure-loopback"]

    with sdk(*base, "--text") as told:
        url = told["listening"]
        with checks.that(f"{way}: the default handshake echoes, and it is noticed"):
            code, answer, said = client("handshake", url, *IDENTITY, *more)
            equal(code, 0, said)
            equal((answer["echoed"], answer["server_session"], answer["mode"]), (True, False, "LATENT"))
            holds("our own identity" in said and "no session" in said, said)
        with checks.that(f"{way}: a context that the SDK decodes to the last bit"):
            code, answer, said = client("send", note, "--to", url, *IDENTITY, *more)
            equal((code, answer and answer["delivered"]), (0, "message"), said)
            reply = answer["reply"]
            equal(reply["payload_sha256"], hashlib.sha256(message.payload).hexdigest())
            equal((reply["payload_type"], reply["session"]), ("KV_CACHE", answer["session_id"]))
        with checks.that(f"{way}: a question behind it"):
            code, answer, said = client("send", note, "--to", url, "--ask", QUESTION, *IDENTITY, *more)
            equal(code, 0, said)
            equal(answer["answer"]["content"], f"heard: {QUESTION}")
            equal(answer["answer"]["session_id"], answer["session_id"])
        with checks.that(f"{way}: 400 for a message that was damaged on its way"):
            damaged = note.with_name("damaged.avp")
            data = bytearray(note.read_bytes())
            data[-1] ^= 1
            damaged.write_bytes(data)
            code, _, said = client("send", damaged, "--to", url, *IDENTITY, *more)
            equal(code, 1, said)
            holds("400" in said and "checksum" in said, said)

    with sdk(*base, "--text", "--handshake", "same") as told:
        with checks.that(f"{way}: a handshake handler: the server's identity and session are taken"):
            code, answer, said = client("handshake", told["listening"], *IDENTITY, *more)
            equal((code, said), (0, ""))
            equal((answer["echoed"], answer["server_session"], answer["mode"]), (False, True, "LATENT"))
            equal((answer["resolution_path"], answer["agent_id"]), ("hash_match", "sdk-server"))
        with checks.that(f"{way}: the message goes under the server's session"):
            code, answer, said = client("send", note, "--to", told["listening"], *IDENTITY, *more)
            equal(code, 0, said)
            equal(answer["reply"]["session"], answer["session_id"])

    with sdk(*base, "--text", "--handshake", "other") as told:
        with checks.that(f"{way}: nothing in common: JSON, and the words go in place of the message"):
            code, answer, said = client("send", note, "--to", told["listening"], "--text", FACTS, *IDENTITY, *more)
            equal((code, answer and answer["delivered"]), (0, "text"), said)
            equal(answer["reply"]["content"], f"heard: {FACTS}")
            code, answer, said = client("send", note, "--to", told["listening"], *IDENTITY, *more)
            equal(code, 1, "without --text it is refused:")

    record = note.with_name("record")
    record.unlink(missing_ok=True)
    with sdk(*base, "--fail", "--handshake", "same", "--record", record) as told:
        with checks.that(f"{way}: 500 of a handler that fails; over HTTP/{version}, and nothing goes out twice"):
            code, _, said = client("send", note, "--to", told["listening"], *IDENTITY, *more)
            equal(code, 1)
            holds("500" in said, said)
            wanted = [f"/avp/v2/{what} {version}" for what in ("handshake", "transmit")]
            equal(record.read_text().splitlines(), wanted)
    with sdk(*base, "--handshake", "same") as told:
        with checks.that(f"{way}: 501 where no text is answered"):
            code, _, said = client("send", note, "--to", told["listening"], "--ask", QUESTION, *IDENTITY, *more)
            equal(code, 1)
            holds("501" in said, said)

    with sdk(*base, "--handshake", "same", token=TOKEN) as told:
        with checks.that(f"{way}: 401 without the token, 200 with it"):
            code, _, said = client("handshake", told["listening"], *IDENTITY, *more)
            equal(code, 1)
            holds("401" in said, said)
            code, answer, said = client("handshake", told["listening"], *IDENTITY, *more, token=TOKEN)
            equal((code, answer and answer["mode"]), (0, "LATENT"), said)


def large(checks, certificate, folder):
    """A message of 64 MiB, streamed from its file."""
    payload, message = folder / "large.bin", folder / "large.avp"
    payload.write_bytes(os.urandom(1 << 20) * 64)
    metadata = json.dumps({"hidden_dim": 4096, "tensor_shape": [4096, 4096]})
    with checks.that("64 MiB to both servers, bit for bit"):
        code, _, said = run("encode", str(payload), "--metadata", metadata, "-o", str(message))
        equal(code, 0, said)
        wanted = hashlib.sha256(payload.read_bytes()).hexdigest()
        for server, tls in (("uvicorn", []), ("hypercorn", ["--certificate", certificate.chain, "--key", certificate.key])):
            more = ["--ca", certificate.authority] if tls else ["--insecure-loopback"]
            with sdk("--server", server, "--handshake", "same", *tls) as told:
                code, answer, said = client("send", message, "--to", told["listening"], *IDENTITY, *more)
                equal(code, 0, said)
                equal(answer["reply"]["payload_sha256"], wanted, server)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=[way for way, *_ in WAYS], action="append", help="one way alone; several times")
    args = parser.parse_args()
    checks = Checks("avp", "fastapi", "uvicorn", "hypercorn", "h2")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        note = think(folder)
        certificate = None
        with checks.that("a certificate from openssl"):
            certificate = Certificate(folder)
        for way, server, tls, how, version in WAYS:
            if (args.way and way not in args.way) or (tls and certificate is None):
                continue
            behaviour(checks, way, server, tls, how, version, certificate, note)
        if certificate and not args.way:
            large(checks, certificate, folder)
    checks.end()


if __name__ == "__main__":
    main()
