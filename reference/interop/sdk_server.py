#!/usr/bin/env python3
# pip install 'avp[transport]==0.6.2' fastapi==0.165.0 uvicorn==0.54.0 hypercorn==0.18.0 h2==4.4.1
"""The Python SDK's own server, create_app, under uvicorn (HTTP/1.1) or hypercorn (HTTP/2 too), for `avp_client.py` and by hand.

It says where it listens as one line of JSON. What its handlers do is chosen by --handshake, --text and --fail; a message that
was decoded is answered with what the SDK read.
"""

import argparse
import asyncio
import hashlib
import importlib.metadata
import json
import os
import signal
import socket
import uuid

from avp.handshake import extract_model_identity
from avp.transport import create_app

from serving import MODEL, config


async def told(message):
    """What the SDK has read of a message."""
    return {
        "payload_type": message.metadata.payload_type.name,
        "session": message.metadata.session_id,
        "payload_sha256": hashlib.sha256(message.payload).hexdigest(),
        "raw_size": message.raw_size,
    }


async def failing(message):
    """A handler with a bug."""
    raise RuntimeError("a handler that fails")


async def answered(message):
    """An answer that shows what was asked."""
    return {"content": f"heard: {message.content}", "session_id": message.session_id, "from": message.source_agent_id}


def recorded(app, path):
    """The same app, which first writes down path and version of HTTP of every request."""

    async def asked(scope, receive, send):
        if scope["type"] == "http":
            with open(path, "a") as record:
                record.write(f"{scope['path']} {scope['http_version']}\n")
        await app(scope, receive, send)

    return asked


def introduced(who):
    """A handshake handler with a model of its own and a session."""

    async def handshake(hello):
        identity = extract_model_identity(config())
        identity.model_id = MODEL
        if who == "other":
            identity.model_family, identity.model_hash, identity.hidden_dim = "gpt2", "ef" * 32, 64
        return {"agent_id": "sdk-server", "identity": identity.to_dict(), "session_id": uuid.uuid4().hex}

    return handshake


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["uvicorn", "hypercorn"], default="uvicorn")
    parser.add_argument("--certificate", help="chain in PEM: TLS")
    parser.add_argument("--key", help="its key in PEM")
    parser.add_argument("--handshake", choices=["echo", "same", "other"], default="echo", help="echo is the SDK's default")
    parser.add_argument("--text", action="store_true", help="answer text; 501 without, as by default")
    parser.add_argument("--fail", action="store_true", help="the handler of transmit raises")
    parser.add_argument("--record", help="a file to write every request's path and version of HTTP to")
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()

    dependencies = []
    if token := os.environ.get("SDK_SERVER_TOKEN"):
        from fastapi import Depends, HTTPException, Request

        async def known(request: Request):
            if request.headers.get("authorization") != f"Bearer {token}":
                raise HTTPException(401, "no token that is known")

        dependencies.append(Depends(known))
    app = create_app(
        failing if args.fail else told,
        answered if args.text else None,
        None if args.handshake == "echo" else introduced(args.handshake),
        dependencies=dependencies,
    )

    if args.record:
        app = recorded(app, args.record)

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", args.port))
    listener.listen(64)
    scheme = "https" if args.certificate else "http"
    version = importlib.metadata.version(args.server)
    said = {"listening": f"{scheme}://localhost:{listener.getsockname()[1]}", "server": f"{args.server} {version}"}
    print(json.dumps(said), flush=True)

    if args.server == "uvicorn":
        import uvicorn

        options = {"ssl_certfile": args.certificate, "ssl_keyfile": args.key} if args.certificate else {}
        uvicorn.run(app, fd=listener.fileno(), log_level="error", **options)
        return

    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    settings = Config()
    settings.bind = [f"fd://{listener.fileno()}"]
    settings.certfile, settings.keyfile = args.certificate, args.key
    settings.errorlog = None

    async def until_told():
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await serve(app, settings, shutdown_trigger=stop.wait)

    asyncio.run(until_told())


if __name__ == "__main__":
    main()
