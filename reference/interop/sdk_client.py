#!/usr/bin/env python3
# pip install 'avp[transport]==0.6.2' numpy==2.4.6 zstandard==0.25.0
"""The Python SDK's AVPClient against `avp serve`: handshake, transmit, text and errors, over HTTP/1.1 and HTTP/2, in cleartext
and over TLS.

The SDK's client asks for HTTP/2 by ALPN alone, so in cleartext it speaks HTTP/1.1; for the two ways that it has no setting for
(cleartext HTTP/2, HTTP/1.1 over TLS) its httpx client is replaced by one that has.
"""

import argparse
import concurrent.futures
import json
import os
import ssl
import struct
import subprocess
import tempfile
import time

import httpx
import numpy as np
from avp import codec
from avp.errors import HandshakeError, TransportError
from avp.fallback import JSONMessage
from avp.handshake import compute_tokenizer_hash, extract_model_identity
from avp.kv_cache import KVCacheHeader
from avp.transport import AVPClient
from avp.types import AVPMetadata, CommunicationMode, CompressionLevel, DataType, ModelIdentity, PayloadType

from checks import Checks, Skip, equal, holds, refused
from serving import ANSWER, FACTS, MODEL, QUESTION, Serving, config, think, vocabulary

# Name, TLS, what the answers say they came by, and the settings of httpx where the SDK's own are others.
WAYS = [
    ("h1", False, "HTTP/1.1", None),
    ("h2 tls", True, "HTTP/2", None),
    ("h1 tls", True, "HTTP/1.1", {"http2": False}),
    ("h2c", False, "HTTP/2", {"http1": False, "http2": True}),
]
# The largest message that the server takes, in bytes.
MOST = 10_000_000
# Tokens have 16 characters at least.
RIGHT, WRONG = "a-token-for-these-checks", "another-token-not-known"


def identity():
    """The served model, as the SDK tells it from its files."""
    found = extract_model_identity(config(), vocabulary())
    found.model_id = MODEL
    return found


def connect(server, who, how=None, token=None):
    """A client of the SDK."""
    os.environ.pop("SSL_CERT_FILE", None)
    if server.url.startswith("https"):
        os.environ["SSL_CERT_FILE"] = str(server.certificate)
    client = AVPClient(server.url, agent_id="sdk", model_identity=who, token=token)
    if how:
        client._client.close()
        client._client = httpx.Client(base_url=client.base_url, timeout=30.0, **how)
    return client


def hidden(session, rows=4, dim=128, **fields):
    """A hidden state: payload and metadata."""
    values = np.random.default_rng(7).normal(size=(rows, dim)).astype("<f4")
    fields = {"session_id": session.session_id, "source_agent_id": "sdk", "model_id": MODEL, "hidden_dim": dim,
              "num_layers": 3, "tensor_shape": (rows, dim), **fields}
    return values.tobytes(), AVPMetadata(**fields)


def cache(session, layers=3, heads=4, width=32, length=5, dtype="float32", **fields):
    """A KV-cache as the SDK lays it out, its tensors from numpy: payload and metadata."""
    rng = np.random.default_rng(7)
    head = KVCacheHeader(layers, heads, width, length, dtype).to_bytes()
    tensors = [rng.normal(size=(heads, length, width)).astype(dtype).tobytes() for _ in range(2 * layers)]
    kind = {"float32": DataType.FLOAT32, "float16": DataType.FLOAT16}[dtype]
    fields = {"session_id": session.session_id, "source_agent_id": "sdk", "model_id": MODEL, "hidden_dim": heads * width,
              "num_layers": layers, "payload_type": PayloadType.KV_CACHE, "dtype": kind, **fields}
    return head + b"".join(tensors), AVPMetadata(**fields)


def ask(client, session_id, question=QUESTION, **extra):
    """The answer to a text message."""
    message = JSONMessage(session_id=session_id, source_agent_id="sdk", content=question, extra=extra)
    return client.send_text(message).json()


def transport_error(wanted, act):
    """What is done is refused with this status. The error."""
    try:
        act()
    except TransportError as error:
        equal(error.status_code, wanted, "status")
        return error
    raise AssertionError(f"{wanted} expected, and nothing was refused")


def outcomes(checks, way, server, version, how, note):
    """What the three outcomes of a handshake lead to."""
    who = identity()
    with connect(server, who, how) as client:
        session = None
        with checks.that(f"{way}: same model hash: LATENT by hash_match, the server's identity and session"):
            session = client.handshake()
            equal(session.mode, CommunicationMode.LATENT)
            equal(session.resolution_path, "hash_match")
            equal(session.remote_identity, who, "identity")
            equal(session.remote_identity.model_hash, server.said["model_hash"])
            again = client.handshake()
            holds(again.session_id != session.session_id, "two handshakes, two sessions")
        if session is None:
            return

        with checks.that(f"{way}: a hidden state is taken in and kept"):
            answer = client.transmit(*hidden(session))
            equal(answer.http_version, version)
            body = answer.json()
            equal((body["success"], body["kept"], body["usable"], body["seq_len"]), (True, True, True, 4))
        for dtype in ("float32", "float16"):
            with checks.that(f"{way}: a KV-cache in {dtype} is kept, and the next answer stands behind it"):
                equal(client.transmit(*cache(session, dtype=dtype)).json()["kept"], True)
                equal(ask(client, session.session_id)["usage"]["context_tokens"], 5)
        with checks.that(f"{way}: compressed at every level of the SDK"):
            for level in CompressionLevel:
                equal(client.transmit(*cache(session), compression=level).json()["payload_bytes"], 15377, level.name)

        message = codec.decode(note.read_bytes())
        with checks.that(f"{way}: the context of who has read the facts: the question is answered with them"):
            message.metadata.session_id = session.session_id
            equal(client.transmit(message.payload, message.metadata).json()["kept"], True)
            answer = ask(client, session.session_id)
            holds(ANSWER in answer["content"], answer["content"])
            holds(answer["usage"]["context_tokens"] > 10, answer["usage"])
        with checks.that(f"{way}: without a session it is not"):
            answer = ask(client, "")
            holds(ANSWER not in answer["content"], answer["content"])
            equal(answer["usage"]["context_tokens"], 0)
        with checks.that(f"{way}: text: max_tokens and stop in extra"):
            answer = ask(client, session.session_id, max_tokens=1)
            equal((answer["finish"], answer["usage"]["completion_tokens"]), ("length", 1))
            answer = ask(client, session.session_id, stop=ANSWER)
            holds(ANSWER not in answer["content"], answer["content"])

    shared = ModelIdentity(model_family="gpt2", model_id="cousin", model_hash="ab" * 32, hidden_dim=64, num_layers=2,
                           num_kv_heads=2, head_dim=32, tokenizer_hash=compute_tokenizer_hash(vocabulary()))
    with connect(server, shared, how) as client, checks.that(f"{way}: shared tokenizer: LATENT by the map that both name"):
        session = client.handshake()
        equal((session.mode, session.resolution_path), (CommunicationMode.LATENT, "shared_tokenizer"))
        hello = {"agent_id": "sdk", "identity": shared.to_dict()}
        told = client._client.post("/avp/v2/handshake", json=hello).json()
        equal((told["mode"], told["avp_map_id"]), ("LATENT", session.avp_map_id))
        projected = hidden(session, rows=3, avp_map_id=session.avp_map_id)
        equal(client.transmit(*projected).json()["kept"], True)
        equal(ask(client, session.session_id)["usage"]["context_tokens"], 3)
        # A cache can't be projected by any map.
        raw = cache(session, avp_map_id=session.avp_map_id)
        transport_error(422, lambda: client.transmit(*raw))

    alike = ModelIdentity(model_family="llama", model_id="tuned", model_hash="cd" * 32, hidden_dim=128, num_layers=3)
    with connect(server, alike, how) as client, checks.that(f"{way}: same family and shape: LATENT by structural_match"):
        session = client.handshake()
        equal((session.mode, session.resolution_path), (CommunicationMode.LATENT, "structural_match"))
        # Other weights: this server takes their contexts with --accept-structural alone.
        transport_error(422, lambda: client.transmit(*cache(session)))

    stranger = ModelIdentity(model_family="gpt2", model_id="stranger", model_hash="ef" * 32, hidden_dim=64, num_layers=2)
    with connect(server, stranger, how) as client, checks.that(f"{way}: nothing in common: JSON, and text goes"):
        session = client.handshake()
        equal((session.mode, session.resolution_path), (CommunicationMode.JSON, "json_fallback"))
        answer = ask(client, session.session_id, f"{FACTS} {QUESTION}")
        holds(ANSWER in answer["content"], answer["content"])
        equal(answer["session_id"], session.session_id)


def errors(checks, way, server, how):
    """What the SDK's client makes of refusals."""
    who = identity()
    with connect(server, who, how) as client:
        session = client.handshake()
        with checks.that(f"{way}: 400 for a message that says another shape than it has"):
            transport_error(400, lambda: client.transmit(*hidden(session, tensor_shape=(5, 128))))
        with checks.that(f"{way}: 400 for a KV-cache that ends early"):
            payload, metadata = cache(session)
            transport_error(400, lambda: client.transmit(payload[:-7], metadata))
        with checks.that(f"{way}: 400 for a handshake and a text that are no JSON"):
            for path in ("/avp/v2/handshake", "/avp/v2/text"):
                answer = client._client.post(path, content=b"{", headers={"Content-Type": "application/json"})
                equal((answer.status_code, answer.json()["success"]), (400, False))
        with checks.that(f"{way}: 413 for more than the server takes, and the client still hears why"):
            big = np.zeros(MOST // 4, "<f4").tobytes()
            metadata = hidden(session, tensor_shape=(MOST // 512, 128))[1]
            error = transport_error(413, lambda: client.transmit(big, metadata))
            holds("limit_exceeded" in str(error), error)
        with checks.that(f"{way}: the same connection works on after that"):
            equal(client.transmit(*cache(session)).json()["kept"], True)
        with checks.that(f"{way}: 422 for a context of another shape, one of another model"):
            transport_error(422, lambda: client.transmit(*cache(session, layers=2)))
            transport_error(422, lambda: client.transmit(*cache(session, extra={"model_hash": "ab" * 32})))
        with checks.that(f"{way}: an unknown session is no error unless the server is strict"):
            nobody = type(session)(session_id="0" * 32)
            equal(client.transmit(*cache(nobody)).json()["kept"], False)
            equal(ask(client, "0" * 32)["context"], None)
        with checks.that(f"{way}: 64 messages from 8 threads on one client"):
            def send(number):
                return client.transmit(*hidden(session, rows=1 + number)).json()["seq_len"]
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                equal(sorted(pool.map(send, range(64))), list(range(1, 65)))


def tokens(checks, way, tls, how):
    """Bearer tokens, which the SDK sends as it is told."""
    with Serving("--rate", "1000", tls=tls, token=RIGHT) as server:
        who = identity()
        for given, name in ((None, "no token"), (WRONG, "a wrong token")):
            with connect(server, who, how, given) as client, checks.that(f"{way}: 401 with {name}"):
                with refused(HandshakeError, "401", "unauthorized"):
                    client.handshake()
                transport_error(401, lambda: ask(client, ""))
        with connect(server, who, how, RIGHT) as client, checks.that(f"{way}: the right token"):
            session = client.handshake()
            equal(client.transmit(*cache(session)).json()["kept"], True)
        logged = server.logged()
        with checks.that(f"{way}: no token and no question in the server's log"):
            for secret in (RIGHT, WRONG, QUESTION):
                holds(secret not in logged, secret)
            holds("transmit" in logged, "the requests are there")


def strict(checks, way, tls, how):
    """A strict server wants the headers that the SDK sends, and knows its sessions, which end."""
    with Serving("--strict", "--session-ttl", "2", tls=tls) as server, connect(server, identity(), how) as client:
        with checks.that(f"{way}: strict: the SDK sends what the binding requires"):
            session = client.handshake()
            equal(client.transmit(*cache(session)).json()["kept"], True)
            equal(ask(client, session.session_id)["usage"]["context_tokens"], 5)
        with checks.that(f"{way}: strict: 409 for an unknown session"):
            nobody = type(session)(session_id="0" * 32)
            holds("session" in str(transport_error(409, lambda: client.transmit(*cache(nobody)))), "code")
            transport_error(409, lambda: ask(client, "0" * 32))
        with checks.that(f"{way}: 409 session_expired for one that has ended"):
            time.sleep(2.5)
            for act in (lambda: client.transmit(*cache(session)), lambda: ask(client, session.session_id)):
                holds("session_expired" in str(transport_error(409, act)), "code")


def rates(checks):
    """A peer that asks too often. The SDK's client tries nothing again by itself."""
    with Serving("--rate", "2") as server, connect(server, identity()) as client:
        with checks.that("h1: 429 for a peer that asks too often, with Retry-After"):
            session = client.handshake()
            def hurry():
                for _ in range(50):
                    client.transmit(*hidden(session))
            transport_error(429, hurry)
            answer = client._client.post("/avp/v2/text", content=b"{}")
            equal(answer.status_code, 429)
            holds(int(answer.headers["retry-after"]) >= 1, answer.headers)


def without_text(checks):
    """An agent without a text handler is one of the adapter's: a model always answers."""
    with checks.that("h1: 501 from an agent that answers no text"):
        adapter = os.environ.get("AVP_ADAPTER") or ""
        if not adapter:
            raise Skip("no AVP_ADAPTER: cargo build -p avp --features adapter,http --bin avp-adapter")
        process = subprocess.Popen([adapter], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            head = json.dumps({"id": 1, "op": "serve", "args": {"transport": "h1", "handler": "none-for-text"}}).encode()
            process.stdin.write(struct.pack("<II", len(head), 0) + head)
            process.stdin.flush()
            head, _ = struct.unpack("<II", process.stdout.read(8))
            port = json.loads(process.stdout.read(head))["ok"]["port"]
            with AVPClient(f"http://127.0.0.1:{port}", model_identity=identity()) as client:
                session = client.handshake()
                equal(client.transmit(*hidden(session)).json()["success"], True)
                transport_error(501, lambda: ask(client, ""))
        finally:
            process.stdin.close()
            process.wait(timeout=30)
            process.stdout.close()


def with_torch(checks, server):
    """The SDK's own functions for caches and contexts, which want torch."""
    with checks.that("h1: a cache by serialize_kv_cache, and AVPContext read and written"):
        try:
            import torch
        except ImportError:
            raise Skip("torch is not installed; the caches above are of KVCacheHeader and numpy") from None
        from avp.kv_cache import serialize_kv_cache
        with connect(server, identity()) as client:
            session = client.handshake()
            layers = tuple((torch.randn(1, 4, 6, 32), torch.randn(1, 4, 6, 32)) for _ in range(3))
            payload, _ = serialize_kv_cache(layers)
            _, metadata = cache(session)
            equal(client.transmit(payload, metadata).json()["seq_len"], 6)


def certificate(checks, server):
    """What newer Pythons than 3.12 ask of a certificate by default."""
    with checks.that("tls: the development certificate stands VERIFY_X509_STRICT"):
        context = ssl.create_default_context(cafile=server.certificate)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        equal(httpx.get(f"{server.url}/health", verify=context).json(), {"status": "ok"})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=[way for way, *_ in WAYS], action="append", help="one way alone; several times")
    args = parser.parse_args()
    checks = Checks("avp", "httpx", "h2", "numpy")
    with tempfile.TemporaryDirectory() as folder:
        note = think(folder)
        for way, tls, version, how in WAYS:
            if args.way and way not in args.way:
                continue
            with Serving(tls=tls) as server:
                outcomes(checks, way, server, version, how, note)
                errors(checks, way, server, how)
                if tls and how is None:
                    certificate(checks, server)
                if way == "h1":
                    with_torch(checks, server)
            tokens(checks, way, tls, how)
            strict(checks, way, tls, how)
    if not args.way:
        rates(checks)
        without_text(checks)
    checks.end()


if __name__ == "__main__":
    main()
