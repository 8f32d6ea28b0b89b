"""A server and a client of the HTTP binding that are wrong on purpose, as an adapter: `python3 binding.py [SWITCH]`.

Without a switch they are right. Each switch breaks one requirement; `binding.yaml` says which, and
`tests/mutants.rs` wants a missed check for it. Standard library alone; HTTP/1.1 alone. For TLS, `AVP_MUTANT_TLS` names a
folder with `certificate.pem` and `key.pem`. `--list` names the switches.
"""

import asyncio
import base64
import http.client
import http.server
import ipaddress
import json
import os
import re
import secrets
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
import zlib

SWITCHES = (
    # --- the server
    "identity-echoed agent-id-echoed no-session-id one-session-for-all bad-hello-taken list-as-hello identity-required "
    "success-missing length-in-chunks-only bad-checksum-taken bad-magic-taken reason-empty bad-message-500 "
    "handler-failure-hidden text-refused no-text-is-200 bad-text-taken health-healthy any-method any-path "
    "strict-ignored version-ignored token-unchecked token-prefix token-for-transmit-only html-answers "
    "handler-result-lost v1-served answers-mixed-up one-for-all-answers http1-refused whole-body-first "
    "announcement-ignored no-limit limit-too-low rate-ignored log-raw log-hex log-base64 log-numbers log-refused "
    "log-traceback old-tls tls-1-2-only expired-session-taken lives-on compressed-refused cache-refused "
    "statuses-mixed-up "
    # --- the client
    "no-version-header another-version no-agent-id octet-stream json-as-text hello-without-identity mode-as-told "
    "own-session-id status-ignored status-untold refused-as-transport lost-answer-ignored handshake-without-identity "
    "double-slash no-timeout token-forgotten token-everywhere message-rewrapped http-everywhere loopback-always "
    "loopback-never loopback-by-prefix redirect-followed certificates-unchecked roots-ignored talked-down "
    "tls-1-2-offered mode-always-latent mode-always-text no-common-ground-refused"
).split()

SWITCH = sys.argv[1] if len(sys.argv) > 1 else ""

#: Largest body where `serve` says nothing.
DEFAULT_LIMIT = 10_000_000

#: Most bytes of a request's head.
MAX_HEAD = 16 << 10


def wrong(switch):
    return SWITCH == switch


class Refused(Exception):
    """A request that is answered with a status."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


# --- messages


def varint(data, at):
    number = 0
    for count in range(10):
        if at + count >= len(data):
            break
        number |= (data[at + count] & 127) << 7 * count
        if data[at + count] < 128:
            return number & 0xFFFFFFFFFFFFFFFF, at + count + 1
    raise Refused(400, "decode", "a varint without an end")


def check_header(head):
    """Refuses what can be refused by the first twelve bytes."""
    if head[:2] != b"AV" and not wrong("bad-magic-taken"):
        raise Refused(400, "invalid_magic", "the magic is another")
    if head[2] != 1:
        raise Refused(400, "unsupported_version", "the version is unknown")
    payload_length, metadata_length = struct.unpack("<II", head[4:12])
    if metadata_length > payload_length:
        raise Refused(400, "decode", "the lengths contradict each other")


def decode(message):
    """Session and payload of a message."""
    if len(message) < 12:
        raise Refused(400, "decode", "no header")
    check_header(message)
    payload_length, metadata_length = struct.unpack("<II", message[4:12])
    if payload_length > len(message) - 12 and not wrong("bad-magic-taken"):
        raise Refused(400, "decode", "the message is cut off")
    metadata, payload = message[12 : 12 + metadata_length], message[12 + metadata_length : 12 + payload_length]
    at, session, checksum = 0, "", None
    while at < len(metadata):
        tag, at = varint(metadata, at)
        if tag & 7 == 0:
            value, at = varint(metadata, at)
            checksum = value if tag >> 3 == 15 else checksum
        elif tag & 7 == 2:
            length, at = varint(metadata, at)
            if at + length > len(metadata):
                raise Refused(400, "decode", "a field beyond the end")
            session = metadata[at : at + length].decode() if tag >> 3 == 1 else session
            at += length
        else:
            at += {1: 8, 5: 4}.get(tag & 7) or len(metadata)
    if checksum not in (None, zlib.crc32(payload)) and not wrong("bad-checksum-taken"):
        raise Refused(400, "decode", "the checksum does not match")
    return session, payload


# --- the server


class Server:
    def __init__(self, args):
        self.args, self.log, self.sessions, self.last = args, [], {}, b""
        limits = args.get("limits") or {}
        self.limit = limits.get("max_message", DEFAULT_LIMIT) - wrong("limit-too-low")
        self.rate, self.hits = limits.get("rate"), 0
        self.loop = asyncio.new_event_loop()
        listening = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(listening,), daemon=True)
        self.thread.start()
        listening.wait(10)

    def run(self, listening):
        asyncio.set_event_loop(self.loop)
        start = asyncio.start_server(self.connected, "127.0.0.1", 0, ssl=self.tls(), limit=MAX_HEAD)
        self.server = self.loop.run_until_complete(start)
        self.port = self.server.sockets[0].getsockname()[1]
        listening.set()
        self.loop.run_forever()

    def tls(self):
        if self.args.get("transport") != "h2":
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem_path("certificate.pem"), pem_path("key.pem"))
        context.set_alpn_protocols(["http/1.1"])
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if wrong("old-tls"):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.set_ciphers("ALL:@SECLEVEL=0")
        if wrong("tls-1-2-only"):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    def stop(self):
        if wrong("lives-on"):
            return
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.server.close()
        self.loop.close()

    async def connected(self, reader, writer):
        try:
            status, answer = await self.request(reader)
        except Refused as refused:
            reason = "" if wrong("reason-empty") else str(refused)
            status, answer = refused.status, {"success": False, "message": reason, "code": refused.code}
            if wrong("bad-message-500") and status == 400:
                status = 500
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            writer.close()
            return
        body = json.dumps(answer).encode()
        kind = "text/html" if wrong("html-answers") else "application/json"
        head = f"HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        try:
            writer.write(head.encode() + body)
            await writer.drain()
            writer.close()
        except ConnectionError:
            pass

    async def request(self, reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {}
        for line in head[1:]:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.lower()] = value.strip()
        self.log.append(f"{method} {path} {headers.get('content-length', '?')} bytes")
        if wrong("http1-refused"):
            raise Refused(505, "transport", "HTTP/2 alone")
        routes = {"/health": "GET", "/avp/v2/handshake": "POST", "/avp/v2/transmit": "POST", "/avp/v2/text": "POST"}
        if wrong("v1-served"):
            routes["/avp/v1/transmit"] = "POST"
        if path not in routes and wrong("any-path"):
            return 200, {"success": True}
        if path not in routes:
            raise Refused(404, "transport", "no such path")
        if method != routes[path]:
            if wrong("any-method"):
                return 200, {"success": True}
            raise Refused(405, "transport", "another method")
        if path == "/health":
            return 200, {"status": "healthy" if wrong("health-healthy") else "ok"}
        self.authorised(path, headers)
        if self.rate and not wrong("rate-ignored"):
            self.hits += 1
            if self.hits > 2 * self.rate:
                raise Refused(429, "transport", "too many requests")
        if path.endswith("/transmit"):
            self.check_headers(headers, "application/avp+binary")
            answer = self.transmitted(reader, headers)
            return await (self.like_the_last(answer) if wrong("statuses-mixed-up") else answer)
        self.check_headers(headers, "application/json")
        body = await self.body(reader, headers, header_first=False)
        return (self.handshake if path.endswith("/handshake") else self.text)(body)

    def authorised(self, path, headers):
        token = self.args.get("token")
        if not token or wrong("token-unchecked") or wrong("token-for-transmit-only") and "transmit" not in path:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        right = token.startswith(given) and given if wrong("token-prefix") else secrets.compare_digest(given, token)
        if scheme != "Bearer" or not right:
            raise Refused(401, "transport", "the token is missing or another")

    def check_headers(self, headers, kind):
        if not self.args.get("strict") or wrong("strict-ignored"):
            return
        if headers.get("content-type") != kind:
            raise Refused(415, "transport", "another content type")
        if "avp-version" not in headers or "avp-agent-id" not in headers:
            raise Refused(400, "transport", "a header is missing")
        if not headers["avp-version"].startswith("0.") and not wrong("version-ignored"):
            raise Refused(400, "unsupported_version", "another version")

    async def body(self, reader, headers, header_first):
        length, body = int(headers.get("content-length", 0)), b""
        chunked = headers.get("transfer-encoding") == "chunked"
        if chunked and wrong("length-in-chunks-only"):
            chunked, length = False, 0
        too_long = Refused(413, "limit_exceeded", "longer than the limit")
        if length > self.limit and not (wrong("no-limit") or wrong("announcement-ignored") or wrong("whole-body-first")):
            raise too_long
        while chunked or len(body) < length:
            if chunked:
                size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
                body += (await reader.readexactly(size + 2))[:size]
                if not size:
                    break
            else:
                piece = await reader.read(min(length - len(body), 65536))
                if not piece:
                    raise Refused(400, "decode", "the body is cut off")
                body += piece
            if header_first and len(body) >= 12 and not wrong("whole-body-first"):
                check_header(body)
            if len(body) > self.limit and not (wrong("no-limit") or wrong("whole-body-first")):
                raise too_long
        return body

    def object_of(self, body, taken_all_the_same):
        try:
            value = json.loads(body.decode())
        except ValueError as error:
            if wrong("log-refused"):
                self.log.append(repr(body))
            if taken_all_the_same:
                return {}
            raise Refused(400, "decode", "no JSON") from error
        if not isinstance(value, dict):
            if taken_all_the_same or wrong("list-as-hello"):
                return {}
            raise Refused(400, "decode", "no object")
        return value

    def handshake(self, body):
        hello = self.object_of(body, wrong("bad-hello-taken"))
        identity = hello.get("identity")
        if identity is None and wrong("identity-required"):
            raise Refused(400, "handshake", "no identity")
        session = "0" * 32 if wrong("one-session-for-all") else secrets.token_hex(16)
        self.sessions[session] = time.monotonic() + self.args.get("session_ttl", 3600)
        own, agent = self.args.get("identity") or {}, self.args.get("agent_id", "server")
        answer = {
            "success": True,
            "agent_id": hello.get("agent_id", "") if wrong("agent-id-echoed") else agent,
            "identity": (identity or {}) if wrong("identity-echoed") else own,
        }
        return 200, answer if wrong("no-session-id") else {**answer, "session_id": session}

    def in_session(self, session):
        if not self.args.get("strict") or not session or wrong("expired-session-taken"):
            return
        if session not in self.sessions:
            raise Refused(409, "session", "no such session")
        if time.monotonic() > self.sessions[session]:
            raise Refused(409, "session_expired", "the session has ended")

    async def transmitted(self, reader, headers):
        return await self.transmit(await self.body(reader, headers, header_first=True))

    async def like_the_last(self, answer):
        """Answers all that come at a time like the last of them."""
        try:
            self.last = await answer
        except Refused as refused:
            self.last = refused
        await asyncio.sleep(0.02)
        if isinstance(self.last, Refused):
            raise self.last
        return self.last

    async def transmit(self, body):
        try:
            session, payload = decode(body)
        except Refused:
            if wrong("log-refused"):
                self.log.append(repr(body))
            raise
        if wrong("compressed-refused") and body[3] & 1:
            raise Refused(415, "decode", "compressed")
        if wrong("cache-refused") and len(payload) > 17 and b"\x38\x01" in body[12:-len(payload)]:
            raise Refused(415, "decode", "a cache")
        self.in_session(session)
        if wrong("log-raw"):
            self.log.append(payload.decode("latin-1"))
        if wrong("log-hex"):
            self.log.append(payload.hex(" ").upper())
        if wrong("log-base64"):
            self.log.append(base64.b64encode(body).decode())
        if wrong("log-numbers"):
            self.log.append(str(list(payload)))
        if self.args.get("handler") == "fail":
            if wrong("log-traceback"):
                self.log.append(f"in handle(payload={payload!r})")
            if wrong("handler-failure-hidden"):
                return 200, {"success": True}
            raise Refused(500, "transport", "the handler failed")
        if wrong("answers-mixed-up"):
            self.last = payload
            await asyncio.sleep(0.02)
            payload = self.last
        if wrong("one-for-all-answers"):
            payload = self.last = self.last or payload
        if wrong("success-missing"):
            return 200, {"ok": True}
        if wrong("handler-result-lost"):
            return 200, {"success": True}
        return 200, {"success": True, "payload_length": len(payload), "payload_crc32": zlib.crc32(payload)}

    def text(self, body):
        if self.args.get("handler") == "none-for-text":
            if wrong("no-text-is-200"):
                return 200, {"success": True}
            raise Refused(501, "engine_unavailable", "nobody answers text")
        message = self.object_of(body, wrong("bad-text-taken"))
        self.in_session(message.get("session_id"))
        if wrong("text-refused"):
            raise Refused(422, "decode", "no text")
        return 200, {"success": True, "content": "heard"}


# --- the client


class Failed(Exception):
    def __init__(self, code, message, status=None):
        super().__init__(message)
        self.code, self.status = code, status


def is_loopback(host):
    if wrong("loopback-by-prefix") and host.startswith("127."):
        return True
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def connection_to(url, args):
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname, parts.port
    timeout = None if wrong("no-timeout") else args.get("timeout_s", 30)
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=client_tls(args)), parts.path
    allowed = is_loopback(host) and args.get("insecure_loopback", wrong("loopback-always"))
    if wrong("loopback-never") or not (allowed or wrong("http-everywhere")):
        raise Failed("configuration", "plain HTTP")
    if host.endswith(".test"):
        # Whoever gets here would have sent it. The other machine does not exist, so one that listens stands in for it.
        host, port = "127.0.0.1", stand_in()
    return http.client.HTTPConnection(host, port, timeout=timeout), parts.path


def stand_in():
    """The port of a machine that takes whatever it is sent."""
    class Taker(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.handle_request, daemon=True).start()
    return server.server_port


def client_tls(args):
    context = ssl.create_default_context()
    if args.get("ca") and not wrong("roots-ignored"):
        context.load_verify_locations(cadata=args["ca"])
    if wrong("certificates-unchecked"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if wrong("talked-down"):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    if wrong("tls-1-2-offered"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def exchange(args, spec, method, path, body, kind, again=0):
    url = args["url"] if wrong("double-slash") else args["url"].rstrip("/")
    return exchange_at(url + path, args, spec, method, body, kind, again)


def exchange_at(url, args, spec, method, body, kind, again):
    connection, path = connection_to(url, args)
    headers = {"AVP-Version": "1.0" if wrong("another-version") else spec, "AVP-Agent-ID": args.get("agent_id", "me")}
    if wrong("no-version-header"):
        del headers["AVP-Version"]
    if wrong("no-agent-id"):
        del headers["AVP-Agent-ID"]
    if body is not None:
        headers["Content-Type"] = kind
    if args.get("token") and not (wrong("token-forgotten") and "text" in path):
        headers["Authorization"] = f"Bearer {args['token']}"
    elif wrong("token-everywhere"):
        headers["Authorization"] = "Bearer anonymous"
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        if wrong("lost-answer-ignored"):
            return 200, {}
        raise Failed("transport", str(error)) from error
    finally:
        connection.close()
    if wrong("redirect-followed") and response.status in (301, 302, 307, 308) and again < 3:
        target = response.getheader("location")
        args = {**args, "insecure_loopback": True}
        return exchange_at(target, args, spec, method, body, kind, again + 1)
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, {}


def call(args, spec, message):
    action = args["action"]
    json_kind = "text/plain" if wrong("json-as-text") else "application/json"
    identity = args.get("identity")
    if action == "handshake":
        if identity is None and not wrong("handshake-without-identity"):
            raise Failed("handshake", "no identity")
        hello = {"agent_id": args.get("agent_id", "me"), "avp_version": "0.4", "identity": identity or {}}
        if wrong("hello-without-identity"):
            del hello["identity"]
        status, body = exchange(args, spec, "POST", "/avp/v2/handshake", json.dumps(hello).encode(), json_kind)
        if status >= 400 and not wrong("status-ignored"):
            raise Failed("transport" if wrong("refused-as-transport") else "handshake", f"status {status}", status)
        remote = body.get("identity") or {}
        same = bool(remote.get("model_hash")) and remote.get("model_hash") == (identity or {}).get("model_hash")
        mode = "LATENT" if same else "JSON"
        if wrong("mode-as-told"):
            mode = body.get("mode", mode)
        if wrong("no-common-ground-refused") and mode == "JSON":
            raise Failed("handshake", "no model in common")
        if wrong("mode-always-latent"):
            mode = "LATENT"
        if wrong("mode-always-text"):
            mode = "JSON"
        session = secrets.token_hex(16) if wrong("own-session-id") else body.get("session_id", "")
        return {"status": status, "mode": mode, "session_id": session}
    if action == "transmit":
        kind = "application/octet-stream" if wrong("octet-stream") else "application/avp+binary"
        message = message + b"\n" if wrong("message-rewrapped") else message
        status, body = exchange(args, spec, "POST", "/avp/v2/transmit", message, kind)
    elif action == "text":
        text = json.dumps(args["text"]).encode()
        status, body = exchange(args, spec, "POST", "/avp/v2/text", text, json_kind)
    else:
        status, body = exchange(args, spec, "GET", "/health", None, "")
    if status >= 400 and not wrong("status-ignored"):
        raise Failed("transport", f"status {status}", None if wrong("status-untold") else status)
    return {"status": status, "body": body}


# --- the adapter


def pem_path(name):
    return os.path.join(os.environ["AVP_MUTANT_TLS"], name)


def hello():
    has_tls = "AVP_MUTANT_TLS" in os.environ
    features = {"h2c": False, "h2": False, "tls": has_tls, "client_h2": False}
    # A payload that is compressed is passed on as it is; whoever says nothing about it is not asked.
    features["zstd"] = wrong("compressed-refused")
    return {
        "acp": 1, "name": "http-mutant", "specs": ["0.2", "0.4"], "ops": ["serve", "unserve", "call", "logs"],
        "features": features,
    }


class Adapter:
    server = None

    def answer(self, request, blob):
        op, args = request["op"], request.get("args", {})
        if op == "hello":
            return {"ok": hello()}, b""
        if op == "serve":
            if self.server:
                self.server.stop()
            self.server = Server(args)
            ok = {"host": "127.0.0.1", "port": self.server.port}
            if args.get("transport") == "h2":
                with open(pem_path("certificate.pem")) as file:
                    ok["pem"] = file.read()
            return {"ok": ok}, b""
        if op == "unserve":
            if self.server:
                self.server.stop()
                self.server = None
            return {"ok": {}}, b""
        if op == "logs":
            log = "\n".join(self.server.log if self.server else []).encode("latin-1", "replace")
            return {"ok": {}, "parts": [{"name": "log", "len": len(log)}]}, log
        if op == "call":
            try:
                return {"ok": call(args, request["spec"], blob)}, b""
            except Failed as failed:
                err = {"code": failed.code, "detail": str(failed)}
                return {"err": err if failed.status is None else {**err, "status": failed.status}}, b""
        return {"unsupported": f"no {op} here"}, b""


def main():
    if SWITCH == "--list":
        print("\n".join(SWITCHES))
        return
    if SWITCH and SWITCH not in SWITCHES:
        sys.exit(f"no switch is called {SWITCH}; --list names them")
    adapter = Adapter()
    # A name that does not exist must not be asked of a resolver, which may take its time where there is no network.
    resolve = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **options: (
        (_ for _ in ()).throw(socket.gaierror(f"{host} does not exist"))
        if re.search(r"\.test$", str(host)) else resolve(host, *rest, **options)
    )
    while head := sys.stdin.buffer.read(8):
        json_len, blob_len = struct.unpack("<II", head)
        request = json.loads(sys.stdin.buffer.read(json_len))
        body, blob = adapter.answer(request, sys.stdin.buffer.read(blob_len))
        text = json.dumps({"id": request["id"], **body}).encode()
        sys.stdout.buffer.write(struct.pack("<II", len(text), len(blob)) + text + blob)
        sys.stdout.buffer.flush()


main()
