"""The HTTP binding: the SDK's server behind uvicorn, and its client. Only where fastapi, uvicorn and httpx are installed."""

import asyncio
import contextlib
import importlib.util
import io
import logging
import os
import tempfile
import threading
import zlib

from adapter import BadRequest, Part, part
from talk_ops import identity_from

#: What the SDK's server and client run on; without them the operations are not declared.
NEEDED = ("fastapi", "uvicorn", "httpx", "h2")

#: How long a server may take to listen or to end, in seconds.
PATIENCE = 10


class Log(io.StringIO):
    """Whatever the SDK and the server logged since the last `serve`."""


class Server:
    """An application of the SDK behind uvicorn, on a thread of its own."""

    def __init__(self, app):
        import uvicorn

        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="trace", log_config=None, lifespan="off")
        self.listening = threading.Event()
        self.server = self.prompt(uvicorn.Server)(config)
        self.thread = threading.Thread(target=asyncio.run, args=(self.server.serve(),), daemon=True)
        self.thread.start()
        if not self.listening.wait(PATIENCE) or not self.server.servers:
            raise BadRequest("the server does not listen")
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def prompt(self, base):
        """uvicorn's server, which looks ten times a second whether it is to end: this one is told."""
        listening = self.listening

        class Prompt(base):
            async def main_loop(self):
                # What a tick does: the date of the answers.
                await self.on_tick(0)
                self.loop, self.ending = asyncio.get_running_loop(), asyncio.Event()
                listening.set()
                await self.ending.wait()

        return Prompt

    def stop(self):
        # Requests that hang are not waited for.
        self.server.should_exit = self.server.force_exit = True
        if self.thread.is_alive():
            self.server.loop.call_soon_threadsafe(self.server.ending.set)
        self.thread.join(PATIENCE)


class State:
    server = None
    log = Log()
    handler = None


def stop():
    if State.server is not None:
        State.server.stop()
        State.server = None


def application(args):
    from avp.transport import create_app

    async def echo(message):
        # A release before 0.4.0 knows payloads of several chunks; one of bytes is what is asked for here.
        payload = message.payload if isinstance(message.payload, bytes) else bytes(message.payload or b"")
        return {"payload_length": len(payload), "payload_crc32": zlib.crc32(payload)}

    async def fail(message):
        raise RuntimeError("the handler fails, as it was told to")

    async def hear(message):
        return {"content": "heard"}

    handler = args.get("handler", "echo")
    if handler not in ("echo", "fail", "none-for-text"):
        raise BadRequest(f"no handler {handler!r}")
    # No handshake handler: what the SDK does by itself is judged. Limits, strictness and the life of sessions have no
    # place in `create_app`; a server without them is what there is.
    return create_app(fail if handler == "fail" else echo, None if handler == "none-for-text" else hear)


def serve(args, parts):
    if args.get("transport") != "h1":
        raise BadRequest("uvicorn speaks HTTP/1.1")
    stop()
    root = logging.getLogger()
    if State.handler is not None:
        root.removeHandler(State.handler)
    State.log = Log()
    State.handler = logging.StreamHandler(State.log)
    root.addHandler(State.handler)
    root.setLevel(1)
    State.server = Server(application(args))
    return {"host": "127.0.0.1", "port": State.server.port}, ()


def unserve(args, parts):
    stop()
    return {}, ()


def logs(args, parts):
    return {}, [Part("log", State.log.getvalue().encode())]


@contextlib.contextmanager
def trusting(pem):
    """The client takes its roots from the surroundings; there is no argument for them."""
    if pem is None:
        yield
        return
    before = os.environ.get("SSL_CERT_FILE")
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        os.environ["SSL_CERT_FILE"] = file.name
        try:
            yield
        finally:
            if before is None:
                del os.environ["SSL_CERT_FILE"]
            else:
                os.environ["SSL_CERT_FILE"] = before


def told(response):
    ok = {"status": response.status_code}
    with contextlib.suppress(ValueError):
        ok["body"] = response.json()
    return ok


def call(args, parts):
    import httpx

    from avp import decode
    from avp.errors import TransportError
    from avp.fallback import JSONMessage
    from avp.transport import AVPClient

    options = {"agent_id": args.get("agent_id", "default"), "token": args.get("token")}
    if args.get("identity") is not None:
        options["model_identity"] = identity_from(args["identity"])
    if "timeout_s" in args:
        options["timeout"] = args["timeout_s"]
    with trusting(args.get("ca")), AVPClient(args["url"], **options) as client:
        if args.get("version") is not None:
            # The client offers HTTP/2 over TLS and has no switch; in the clear it takes prior knowledge to have it.
            if args["version"] != "http1":
                raise BadRequest("the SDK's client has no HTTP/2 in the clear")
        action = args["action"]
        if action == "handshake":
            session = client.handshake()
            mode = getattr(session.mode, "name", session.mode)
            return {"status": 200, "mode": mode, "session_id": session.session_id}, ()
        if action == "transmit":
            # The client takes payload and metadata, and encodes them itself.
            message = decode(part(parts, "message"))
            return told(client.transmit(message.payload, message.metadata)), ()
        if action == "text":
            return told(client.send_text(JSONMessage.from_dict(args["text"]))), ()
        if action == "health":
            return told(httpx.get(args["url"].rstrip("/") + "/health")), ()
    raise BadRequest(f"no action {args['action']!r}")


def operations():
    if not all(importlib.util.find_spec(name) for name in NEEDED):
        return {}
    try:
        import avp.transport as transport
    except ImportError:
        return {}
    ops = {"call": call}
    if hasattr(transport, "create_app"):
        ops.update(serve=serve, unserve=unserve, logs=logs)
    return ops


def features():
    return {
        # The SDK makes an application; HTTP/2 and TLS are a matter of what runs it, and uvicorn has no HTTP/2.
        "h2c": False,
        "h2": False,
        "tls": False,
        # `create_app` takes neither an identity nor an agent's name, no token, no limit of requests, and no sessions.
        "server_token": False,
        "server_rate": False,
        "server_sessions": False,
        "client_h2": False,
    }
