#!/usr/bin/env python3
# pip install hyperframe==6.1.0 hpack==4.2.0
"""Frames of HTTP/2 that a good client never sends, by hand, against `avp serve` in cleartext: what RFC 9113 wants of a server is
held against what comes back. The cases are those of the RFC that h2spec plays as well."""

import argparse
import os
import signal
import socket
import struct
import threading

import hpack
from hyperframe import frame as frames

from checks import Checks, equal, holds
from serving import Serving

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL, _, FLOW_CONTROL, _, CLOSED, FRAME_SIZE, REFUSED, _, COMPRESSION, _, CALM = range(12)
CODES = {FLOW_CONTROL: "FLOW_CONTROL_ERROR", CLOSED: "STREAM_CLOSED", FRAME_SIZE: "FRAME_SIZE_ERROR", COMPRESSION: "COMPRESSION_ERROR"}
# Types of frames.
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1
# Most seconds that a server may take for a frame.
PATIENCE = 20
# What the server says of itself (reference/src/transport/server/connection.rs).
MAX_FRAME, MAX_STREAMS, MAX_HEADERS, INITIAL_WINDOW = 64 << 10, 100, 16 << 10, 1 << 20
MAX_RESETS = 64


def raw(kind, flags, stream, body=b""):
    """A frame's bytes."""
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


def block(method="GET", path="/health", more=(), pseudo=()):
    """A request's headers, compressed."""
    headers = pseudo or [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
    return hpack.Encoder().encode([*headers, *more])


class Peer:
    """A connection whose frames are written as they are."""

    def __init__(self, server, settings=b"", preface=PREFACE):
        self.socket = socket.create_connection(server.address, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""
        self.decoder = hpack.Decoder()
        self.send(preface)
        if preface == PREFACE and settings is not None:
            self.send(raw(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *pieces):
        """Writes, unless the server has closed."""
        try:
            self.socket.sendall(b"".join(pieces))
        except OSError:
            pass
        return self

    def ask(self, stream, **request):
        """Asks something that has no body."""
        return self.send(raw(HEADERS, END_HEADERS | END_STREAM, stream, block(**request)))

    def next(self):
        """The next frame, or None at the end. Settings are acknowledged."""
        while True:
            if len(self.bytes) >= 9:
                found, length = frames.Frame.parse_frame_header(memoryview(self.bytes[:9]))
                if len(self.bytes) >= 9 + length:
                    found.parse_body(memoryview(self.bytes[9:9 + length]))
                    self.bytes = self.bytes[9 + length:]
                    if isinstance(found, frames.SettingsFrame) and "ACK" not in found.flags:
                        self.send(raw(SETTINGS, ACK, 0))
                    return found
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not more:
                return None
            self.bytes += more

    def until(self, *kinds, stream=None):
        """The next frame of such a kind, on that stream; None at the end."""
        while found := self.next():
            if isinstance(found, kinds) and stream in (None, found.stream_id):
                return found
        return None

    def answered(self, stream):
        """The status and the body of that stream's answer."""
        status, body = None, b""
        while found := self.next():
            if isinstance(found, frames.HeadersFrame):
                headers = dict(self.decoder.decode(found.data, raw=True))
                if found.stream_id == stream:
                    status = int(headers[b":status"])
            if isinstance(found, frames.DataFrame) and found.stream_id == stream:
                body += found.data
            if isinstance(found, (frames.RstStreamFrame, frames.GoAwayFrame)) and found.stream_id in (0, stream):
                raise AssertionError(f"{found}")
            if found.stream_id == stream and "END_STREAM" in found.flags:
                return status, body
        raise AssertionError(f"the connection ended; status {status}")

    def works(self, stream):
        """Whether the connection still answers."""
        equal(self.ask(stream).answered(stream), (200, b'{"status":"ok"}'))

    def ends(self, notes, code):
        """The connection ends: with a GOAWAY of that code or of the unspecific one, or without any."""
        end = self.until(frames.GoAwayFrame)
        if end is not None:
            unspecific(notes, code, end.error_code)

    def stream_ends(self, stream, *codes):
        """The stream, or the connection, ends with such a code; or the request is answered with an error."""
        while found := self.next():
            if isinstance(found, frames.GoAwayFrame) or (isinstance(found, frames.RstStreamFrame) and found.stream_id == stream):
                holds(found.error_code in codes, f"{type(found).__name__} with {found.error_code}, expected one of {codes}")
                return
            if isinstance(found, frames.HeadersFrame) and found.stream_id == stream:
                status = int(dict(self.decoder.decode(found.data, raw=True))[b":status"])
                holds(400 <= status < 500, f"status {status}")
                return


def unspecific(notes, wanted, found):
    """Holds a code against the one that the RFC has. The crate h2 often has PROTOCOL_ERROR for it, which ends as much."""
    if found == PROTOCOL and wanted != PROTOCOL:
        notes.append(f"PROTOCOL_ERROR in place of {CODES[wanted]}")
        return
    equal(found, wanted, "code")


def setting(kind, value):
    return struct.pack(">HI", kind, value)


def open_stream(stream=1, path="/avp/v2/text", flags=END_HEADERS):
    """A request whose body is still to come."""
    return raw(HEADERS, flags, stream, block("POST", path))


# What ends the connection, whatever was said before: name, frames, code.
CONNECTION_ERRORS = [
    ("4.2 a DATA frame larger than SETTINGS_MAX_FRAME_SIZE", [open_stream(), raw(DATA, 0, 1, bytes(MAX_FRAME + 1))], FRAME_SIZE),
    ("4.2 a HEADERS frame larger than that", [raw(HEADERS, END_HEADERS, 1, bytes(MAX_FRAME + 1))], FRAME_SIZE),
    ("4.3 a header block that does not decompress", [raw(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff" * 20)], COMPRESSION),
    ("4.3 another frame inside a header block", [raw(HEADERS, END_STREAM, 1, block()), raw(PING, 0, 0, bytes(8))], PROTOCOL),
    ("4.3 another stream's header block inside", [raw(HEADERS, END_STREAM, 1, block()[:3]), raw(CONTINUATION, END_HEADERS, 3)], PROTOCOL),
    ("5.1 DATA on an idle stream", [raw(DATA, END_STREAM, 1, b"x")], PROTOCOL),
    ("5.1 RST_STREAM on an idle stream", [raw(RST, 0, 1, bytes(4))], PROTOCOL),
    ("5.1 WINDOW_UPDATE on an idle stream", [raw(WINDOW, 0, 1, struct.pack(">I", 9))], PROTOCOL),
    ("5.1 CONTINUATION on an idle stream", [raw(CONTINUATION, END_HEADERS, 1, block())], PROTOCOL),
    ("5.1.1 an even stream", [raw(HEADERS, END_HEADERS | END_STREAM, 2, block())], PROTOCOL),
    ("6.1 DATA on stream 0", [raw(DATA, 0, 0, b"x")], PROTOCOL),
    ("6.1 DATA with more padding than frame", [open_stream(), raw(DATA, PADDED, 1, b"\x08abcd")], PROTOCOL),
    ("6.2 HEADERS on stream 0", [raw(HEADERS, END_HEADERS | END_STREAM, 0, block())], PROTOCOL),
    ("6.2 HEADERS with more padding than frame", [raw(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + block())], PROTOCOL),
    ("6.3 PRIORITY on stream 0", [raw(PRIORITY, 0, 0, bytes(5))], PROTOCOL),
    ("6.4 RST_STREAM on stream 0", [raw(RST, 0, 0, bytes(4))], PROTOCOL),
    ("6.4 RST_STREAM of 3 bytes", [open_stream(), raw(RST, 0, 1, bytes(3))], FRAME_SIZE),
    ("6.5 SETTINGS on a stream", [raw(SETTINGS, 0, 1)], PROTOCOL),
    ("6.5 SETTINGS of 5 bytes", [raw(SETTINGS, 0, 0, bytes(5))], FRAME_SIZE),
    ("6.5 SETTINGS that acknowledge and say something", [raw(SETTINGS, ACK, 0, setting(3, 1))], FRAME_SIZE),
    ("6.5.2 SETTINGS_ENABLE_PUSH of 2", [raw(SETTINGS, 0, 0, setting(2, 2))], PROTOCOL),
    ("6.5.2 SETTINGS_INITIAL_WINDOW_SIZE of 2^31", [raw(SETTINGS, 0, 0, setting(4, 1 << 31))], FLOW_CONTROL),
    ("6.5.2 SETTINGS_MAX_FRAME_SIZE of 100", [raw(SETTINGS, 0, 0, setting(5, 100))], PROTOCOL),
    ("6.5.2 SETTINGS_MAX_FRAME_SIZE of 2^24", [raw(SETTINGS, 0, 0, setting(5, 1 << 24))], PROTOCOL),
    ("6.6 PUSH_PROMISE of a client", [open_stream(), raw(PUSH, END_HEADERS, 1, struct.pack(">I", 2) + block())], PROTOCOL),
    ("6.7 PING on a stream", [raw(PING, 0, 1, bytes(8))], PROTOCOL),
    ("6.7 PING of 6 bytes", [raw(PING, 0, 0, bytes(6))], FRAME_SIZE),
    ("6.8 GOAWAY on a stream", [raw(GOAWAY, 0, 1, bytes(8))], PROTOCOL),
    ("6.9 WINDOW_UPDATE of 3 bytes", [raw(WINDOW, 0, 0, bytes(3))], FRAME_SIZE),
    ("6.9 WINDOW_UPDATE by 0 of the connection", [raw(WINDOW, 0, 0, bytes(4))], PROTOCOL),
    ("6.9.1 a window of the connection beyond 2^31 - 1", [raw(WINDOW, 0, 0, struct.pack(">I", (1 << 31) - 1))] * 2, FLOW_CONTROL),
    ("6.10 CONTINUATION after a header block has ended", [open_stream(), raw(CONTINUATION, END_HEADERS, 1, b"")], PROTOCOL),
]

BASE = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/health")]
# What ends a stream: name, pseudo-headers, headers.
BAD_HEADERS = [
    ("8.2 a name in capitals", BASE, [("X-Name", "x")]),
    ("8.2.2 connection", BASE, [("connection", "keep-alive")]),
    ("8.2.2 transfer-encoding", BASE, [("transfer-encoding", "chunked")]),
    ("8.2.2 te of anything but trailers", BASE, [("te", "gzip")]),
    ("8.3 an unknown pseudo-header", [*BASE, (":user", "x")], []),
    ("8.3 a pseudo-header of answers", [*BASE, (":status", "200")], []),
    ("8.3 a pseudo-header behind others", BASE[:3], [("accept", "*/*"), (":path", "/health")]),
    ("8.3.1 no :method", BASE[1:], []),
    ("8.3.1 no :scheme", [BASE[0], *BASE[2:]], []),
    ("8.3.1 no :path", BASE[:3], []),
    ("8.3.1 an empty :path", [*BASE[:3], (":path", "")], []),
    ("8.3.1 two :method", [BASE[0], *BASE], []),
    ("8.3.1 two :path", [*BASE, BASE[3]], []),
]


def beginnings(checks, server):
    """3.4: what comes first."""
    with checks.that("3.4 what is no preface gets no answer but an error of HTTP/1.1"):
        with Peer(server, preface=b"INVALID CONNECTION PREFACE\r\n\r\n") as peer:
            said = peer.socket.recv(100)
            holds(not said or said.startswith(b"HTTP/1.1 4"), said)
    with checks.that("3.4 half a preface, and the end"):
        with Peer(server, preface=PREFACE[:17]) as peer:
            peer.socket.shutdown(socket.SHUT_WR)
            said = peer.socket.recv(100)
            holds(not said or said.startswith(b"HTTP/1.1 4"), said)
    with checks.that("3.4 the first frame is no SETTINGS") as notes:
        with Peer(server, settings=None) as peer:
            answer = peer.send(raw(PING, 0, 0, bytes(8))).until(frames.PingFrame, frames.GoAwayFrame)
            if isinstance(answer, frames.PingFrame):
                notes.append("borne, where the RFC wants PROTOCOL_ERROR")
            else:
                equal(answer and answer.error_code, PROTOCOL)
    with checks.that("3.4 the server's first frame is its SETTINGS, with its limits"), Peer(server) as peer:
        first = peer.next()
        holds(isinstance(first, frames.SettingsFrame), first)
        known = frames.SettingsFrame
        equal(first.settings, {
            known.MAX_CONCURRENT_STREAMS: MAX_STREAMS, known.INITIAL_WINDOW_SIZE: INITIAL_WINDOW,
            known.MAX_FRAME_SIZE: MAX_FRAME, known.MAX_HEADER_LIST_SIZE: MAX_HEADERS,
        })
        holds(peer.until(frames.SettingsFrame).flags, "an acknowledgement")
        equal(peer.until(frames.WindowUpdateFrame).window_increment, INITIAL_WINDOW - 65_535)


def harmless(checks, server):
    """What a server has to bear."""
    cases = [
        ("4.1 a frame of an unknown type on stream 0", raw(0xBE, 0xFF, 0, b"anything")),
        ("4.1 a frame of an unknown type on a stream", raw(0xBE, 0, 7, b"anything")),
        ("4.1 flags that PING does not have", raw(PING, 0xFE, 0, bytes(8))),
        ("6.3 PRIORITY of an idle stream", raw(PRIORITY, 0, 9, struct.pack(">IB", 0, 15))),
        ("6.5 acknowledged SETTINGS that nobody sent", raw(SETTINGS, 0, 0)),
        ("6.5.2 an unknown setting", raw(SETTINGS, 0, 0, setting(0xFF, 7))),
        ("6.9.1 windows as large as can be", raw(WINDOW, 0, 0, struct.pack(">I", (1 << 31) - 1 - 65_535))),
    ]
    for name, sent in cases:
        with checks.that(f"{name}: goes on"), Peer(server) as peer:
            peer.send(sent).works(1)
            peer.works(3)
    with checks.that("6.7 PING is acknowledged with its own bytes"), Peer(server) as peer:
        peer.send(raw(PING, 0, 0, b"avp-ping"))
        answer = peer.until(frames.PingFrame)
        equal((answer.opaque_data, set(answer.flags)), (b"avp-ping", {"ACK"}))
    with checks.that("6.1, 6.2 padding is taken off"), Peer(server) as peer:
        headers = raw(HEADERS, END_HEADERS | PADDED, 1, b"\x05" + block("POST", "/avp/v2/handshake") + bytes(5))
        body = raw(DATA, END_STREAM | PADDED, 1, b"\x09" + b'{"agent_id":"h2"}' + bytes(9))
        status, said = peer.send(headers, body).answered(1)
        holds(status == 200 and b'"mode":"JSON"' in said, (status, said))
    with checks.that("6.10 headers in five pieces"), Peer(server) as peer:
        whole = block()
        # Of many more the server takes none: they are how a flood begins.
        pieces = [whole[:1], whole[1:2], whole[2:5], whole[5:9], whole[9:]]
        sent = [raw(HEADERS, END_STREAM, 1, pieces[0])]
        sent += [raw(CONTINUATION, 0, 1, piece) for piece in pieces[1:-1]]
        equal(peer.send(*sent, raw(CONTINUATION, END_HEADERS, 1, pieces[-1])).answered(1)[0], 200)
    with checks.that("8.1 trailers are borne"), Peer(server) as peer:
        trailers = hpack.Encoder().encode([("x-sum", "1")])
        sent = [open_stream(1, "/avp/v2/handshake"), raw(DATA, 0, 1, b"{}"), raw(HEADERS, END_HEADERS | END_STREAM, 1, trailers)]
        equal(peer.send(*sent).answered(1)[0], 200)


def streams(checks, server):
    """Errors of one stream, which others outlive."""
    for name, pseudo, more in BAD_HEADERS:
        with checks.that(f"{name}: the stream ends"), Peer(server) as peer:
            # As they are: an encoder would be asked for lower case, not change it.
            headers = raw(HEADERS, END_HEADERS | END_STREAM, 1, block(pseudo=pseudo, more=more))
            peer.send(headers).stream_ends(1, PROTOCOL)
    for length in ("0", "1", "99"):
        with checks.that(f"8.1.1 content-length {length} for 5 bytes: the stream ends"), Peer(server) as peer:
            headers = raw(HEADERS, END_HEADERS, 1, block("POST", "/avp/v2/text", [("content-length", length)]))
            peer.send(headers, raw(DATA, END_STREAM, 1, b"{\"a\":")).stream_ends(1, PROTOCOL)
    with checks.that("5.1 DATA on a stream that the client has ended") as notes, Peer(server) as peer:
        peer.ask(1).send(raw(DATA, END_STREAM, 1, b"x"))
        end = peer.until(frames.RstStreamFrame, frames.GoAwayFrame)
        if end is not None:
            unspecific(notes, CLOSED, end.error_code)
    with checks.that("5.1.1 a stream older than the last one"), Peer(server) as peer:
        peer.works(5)
        peer.ask(3).stream_ends(3, PROTOCOL, CLOSED)
    with checks.that("5.1.2 more streams than allowed: REFUSED_STREAM, and the others go on"), Peer(server) as peer:
        peer.works(1)  # The settings have come and are acknowledged.
        last = 3 + 2 * MAX_STREAMS
        peer.send(*(open_stream(stream) for stream in range(3, last + 1, 2)))
        refused = peer.until(frames.RstStreamFrame, frames.GoAwayFrame)
        equal((refused.stream_id, refused.error_code), (last, REFUSED))
        peer.send(raw(DATA, END_STREAM, 3, b"{"))
        equal(peer.answered(3)[0], 400)
    with checks.that("6.9 WINDOW_UPDATE by 0 of a stream"), Peer(server) as peer:
        peer.send(open_stream(), raw(WINDOW, 0, 1, bytes(4))).stream_ends(1, PROTOCOL)
    with checks.that("6.9.1 a window of a stream beyond 2^31 - 1"), Peer(server) as peer:
        peer.send(open_stream(), *[raw(WINDOW, 0, 1, struct.pack(">I", (1 << 31) - 1))] * 2).stream_ends(1, FLOW_CONTROL)
    with checks.that("10.5.1 headers beyond SETTINGS_MAX_HEADER_LIST_SIZE"), Peer(server) as peer:
        more = [(f"x-{number}", "v" * 1000) for number in range(40)]
        sent = block(more=more)
        peer.send(raw(HEADERS, END_HEADERS | END_STREAM, 1, sent)).stream_ends(1, PROTOCOL, REFUSED, CALM)
        # The encoder of this connection and the server's decoder agree no more: another connection works.
    with checks.that("8.3.1 HEAD brings the headers alone"), Peer(server) as peer:
        equal(peer.ask(1, method="HEAD").answered(1), (200, b""))
        peer.works(3)


def windows(checks, server):
    """6.9: the server sends no more than it is allowed to."""
    with checks.that("6.9 a window of 1 byte: one byte comes, then the rest as it is allowed"):
        with Peer(server, settings=setting(4, 1)) as peer:
            peer.ask(1)
            equal(len(peer.until(frames.DataFrame).data), 1)
            peer.send(raw(PING, 0, 0, b"nothing?"))
            holds(isinstance(peer.until(frames.DataFrame, frames.PingFrame), frames.PingFrame), "DATA beyond the window")
            peer.send(raw(WINDOW, 0, 1, struct.pack(">I", 3)))
            equal(len(peer.until(frames.DataFrame).data), 3)
            # A change of the setting counts for open streams.
            peer.send(raw(SETTINGS, 0, 0, setting(4, 100)))
            rest = peer.until(frames.DataFrame)
            equal((len(rest.data), "END_STREAM" in rest.flags), (11, True))
    with checks.that("6.9.2 a window that becomes negative"), Peer(server, settings=setting(4, 3)) as peer:
        peer.ask(1)
        equal(len(peer.until(frames.DataFrame).data), 3)
        peer.send(raw(SETTINGS, 0, 0, setting(4, 0)), raw(WINDOW, 0, 1, struct.pack(">I", 4)))
        equal(len(peer.until(frames.DataFrame).data), 1)
        peer.send(raw(WINDOW, 0, 1, struct.pack(">I", 100)))
        equal(len(peer.until(frames.DataFrame).data), 11)
    with checks.that("6.9 the client's uploads are allowed as they are read: 8 MiB"), Peer(server) as peer:
        size, piece = 8 << 20, 1 << 14
        headers = block("POST", "/avp/v2/text")
        peer.send(raw(HEADERS, END_HEADERS, 1, headers))
        window, connection, sent = INITIAL_WINDOW, 65_535, 0
        while sent < size:
            while min(window, connection) < piece:
                found = peer.until(frames.WindowUpdateFrame, frames.RstStreamFrame, frames.GoAwayFrame)
                holds(isinstance(found, frames.WindowUpdateFrame), found)
                if found.stream_id:
                    window += found.window_increment
                else:
                    connection += found.window_increment
            peer.send(raw(DATA, END_STREAM if sent + piece == size else 0, 1, b" " * piece))
            sent, window, connection = sent + piece, window - piece, connection - piece
        # No JSON, but read to its end.
        equal(peer.answered(1)[0], 400)


def floods(checks, server):
    """10.5: what costs the client nothing and the server something."""
    with checks.that("streams that are reset as fast as they are opened: ENHANCE_YOUR_CALM"), Peer(server) as peer:
        for stream in range(1, 4 * MAX_RESETS * 10, 2):
            peer.send(open_stream(stream), raw(RST, 0, stream, struct.pack(">I", 8)))
        end = peer.until(frames.GoAwayFrame)
        equal(end and end.error_code, CALM)
    with checks.that("a header block without an end"), Peer(server) as peer:
        peer.send(raw(HEADERS, END_STREAM, 1, block()))
        for _ in range(10_000):
            peer.send(raw(CONTINUATION, 0, 1, b"\0\1x\1y"))
        # Either of these, or the end of the connection.
        peer.stream_ends(1, PROTOCOL, CALM, COMPRESSION)
    with checks.that("100 000 PINGs, each acknowledged or the connection ended"), Peer(server) as peer:
        def flood():
            peer.send(*[raw(PING, 0, 0, bytes(8))] * 100_000)

        sender = threading.Thread(target=flood, daemon=True)
        sender.start()
        acknowledged = 0
        while acknowledged < 100_000:
            found = peer.until(frames.PingFrame, frames.GoAwayFrame)
            if not isinstance(found, frames.PingFrame):
                break
            acknowledged += 1
        holds(acknowledged, "none was acknowledged")


def endings(checks):
    """6.8: a server that is told to end."""
    with checks.that("6.8 SIGTERM: GOAWAY, running requests are answered, new connections refused"):
        with Serving() as server, Peer(server) as peer:
            peer.works(1)
            peer.send(open_stream(3, "/avp/v2/handshake"), raw(DATA, 0, 3, b'{"agent_id"'))
            peer.send(raw(PING, 0, 0, b"received"))
            peer.until(frames.PingFrame)
            os.kill(server.process.pid, signal.SIGTERM)
            goaway = peer.until(frames.GoAwayFrame)
            equal(goaway.error_code, NO_ERROR)
            # A graceful server asks for a round trip before it names the last stream.
            peer.send(raw(DATA, END_STREAM, 3, b':"h2"}'))
            status = None
            while found := peer.next():
                if isinstance(found, frames.PingFrame) and "ACK" not in found.flags:
                    peer.send(raw(PING, ACK, 0, found.opaque_data))
                if isinstance(found, frames.HeadersFrame) and found.stream_id == 3:
                    status = int(dict(peer.decoder.decode(found.data, raw=True))[b":status"])
                if isinstance(found, frames.GoAwayFrame):
                    holds(found.error_code == NO_ERROR and found.last_stream_id >= 3, found)
            equal(status, 200)
            equal(server.stop(), 0, "exit code")
            try:
                socket.create_connection(server.address, timeout=PATIENCE).close()
            except ConnectionRefusedError:
                return
            raise AssertionError("the address still listens")


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    checks = Checks("hyperframe", "hpack")
    with Serving() as server:
        beginnings(checks, server)
        harmless(checks, server)
        for name, sent, code in CONNECTION_ERRORS:
            with checks.that(f"{name}: the connection ends") as notes, Peer(server) as peer:
                peer.send(*sent).ends(notes, code)
        streams(checks, server)
        windows(checks, server)
        floods(checks, server)
        with checks.that("after all that the server answers"), Peer(server) as peer:
            peer.works(1)
            equal(server.process.poll(), None)
    endings(checks)
    checks.end()


if __name__ == "__main__":
    main()
