"""A child that behaves as the operation says: well, or in one of the ways that a harness must survive.

Its first argument is a JSON object of options: `hello` is merged into the answer to hello, `character` is one of
honest (default), null, echo, unsupported, refuses, random, liar; `reorder` answers what has arrived in reverse.
"""
import binascii
import json
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time

OPTIONS = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
CHARACTER = OPTIONS.get("character", "honest")
STDIN, STDOUT = sys.stdin.fileno(), sys.stdout.fileno()
KEPT = []
CALLS = 0
#: Chance that is the same in every run.
CHANCE = random.Random(17)


class Refused(Exception):
    pass


def read_exactly(count):
    data = bytearray()
    while len(data) < count:
        more = os.read(STDIN, count - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


def read_frame():
    json_len, blob_len = struct.unpack("<II", read_exactly(8))
    return json.loads(read_exactly(json_len)), read_exactly(blob_len)


def write_all(data):
    view = memoryview(data)
    while view:
        view = view[os.write(STDOUT, view):]


def answer(request, body, parts=()):
    body = {"id": request["id"], **body}
    if parts:
        body["parts"] = [{"name": name, "len": len(data)} for name, data in parts]
    text = json.dumps(body).encode()
    blob = b"".join(data for _, data in parts)
    write_all(struct.pack("<II", len(text), len(blob)) + text + blob)


def cut(request, blob):
    parts, at = {}, 0
    for part in request.get("parts", []):
        parts[part["name"]] = blob[at:at + part["len"]]
        at += part["len"]
    return parts


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def decode(message):
    """Enough of a decoder for a plain message."""
    if len(message) < 12:
        raise Refused("decode")
    if message[:2] != b"AV":
        raise Refused("invalid_magic")
    total, length = struct.unpack("<II", message[4:12])
    if length > total or 12 + total > len(message):
        raise Refused("decode")
    data, at, meta = message[12:12 + length], 0, {}
    names = {1: "session_id", 2: "source_agent_id", 3: "target_agent_id", 4: "model_id", 5: "hidden_dim", 6: "num_layers"}
    while at < len(data):
        tag, at = varint(data, at)
        value, at = varint(data, at)
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        if tag >> 3 == 9:
            meta["tensor_shape"] = list(value)
        elif tag >> 3 in names:
            meta[names[tag >> 3]] = value.decode() if isinstance(value, bytes) else value
    return {"metadata": meta}, [("payload", message[12 + length:12 + total])]


def hello(request):
    ok = {"acp": 1, "name": "child", "version": "1", "language": "python", "specs": ["0.4"], "inflight": 1,
          "ops": ["decode", "mirror", "crash", "exit", "hang", "print", "claim", "cut", "flood", "slow", "grow", "fault",
                  "stranger", "spawn", "count", "once", "give", "take", "lack"]}
    answer(request, {"ok": {**ok, **OPTIONS.get("hello", {})}})


def by_chance(request):
    """An answer that has nothing to do with the question."""
    number = CHANCE.randrange(1 << 32)
    parts = [(name, CHANCE.randbytes(number % 64)) for name in ("message", "payload")]
    kind = CHANCE.choice(["ok", "parts", "err", "unsupported"])
    if kind == "ok":
        return answer(request, {"ok": {"metadata": {}, "hex": f"{number:064x}", "found": number % 2 == 0, "count": number}})
    if kind == "parts":
        return answer(request, {"ok": {"metadata": {"hidden_dim": number}}}, parts)
    if kind == "err":
        return answer(request, {"err": {"code": CHANCE.choice(["decode", "invalid_magic", "unsupported_version"])}})
    answer(request, {"unsupported": "by chance"})


def handle(request, blob):
    global CALLS
    op, args = request["op"], request.get("args", {})
    CALLS += 1
    if op == "hello":
        if OPTIONS.get("die_at_hello"):
            print("no licence", file=sys.stderr, flush=True)
            os._exit(7)
        return hello(request)
    if CHARACTER == "null":
        return answer(request, {"ok": {}})
    if CHARACTER == "echo":
        return answer(request, {"ok": args}, list(cut(request, blob).items()))
    if CHARACTER == "refuses":
        return answer(request, {"err": {"code": "decode"}})
    if CHARACTER == "random":
        return by_chance(request)
    if CHARACTER == "unsupported" or (CHARACTER == "honest" and op.startswith("nope")) or op == "lack":
        return answer(request, {"unsupported": op})
    if op == "decode":
        try:
            ok, parts = decode(cut(request, blob)["message"])
        except Refused as refused:
            return answer(request, {"err": {"code": str(refused)}})
        return answer(request, {"ok": ok}, parts)
    if op == "mirror":
        return answer(request, {"ok": args}, list(cut(request, blob).items()))
    if op == "crash":
        print("about to crash", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if op == "exit":
        os._exit(args.get("code", 3))
    if op == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(3600)
    if op == "print":
        write_all(b"Loading the model, please wait\n")
    if op == "claim":
        write_all(struct.pack("<II", 100, 0xFFFFFFFF) + b"{}")
    if op == "cut":
        write_all(struct.pack("<II", 100, 0) + b"{")
        os._exit(0)
    if op == "flood":
        for _ in range(args["kib"]):
            os.write(2, b"x" * 1023 + b"\n")
        os.write(2, b"the last line\n")
    if op == "slow":
        time.sleep(args["ms"] / 1000)
    if op == "grow":
        size = args["mib"] << 20
        grown = bytearray(size)
        grown[::4096] = b"\1" * len(grown[::4096])
        if args.get("keep"):
            KEPT.append(grown)
    if op == "fault":
        return answer(request, {"fault": "caught: ZeroDivisionError"})
    if op == "stranger":
        return answer({"id": request["id"] ^ 1}, {"ok": {}})
    if op == "spawn":
        sleeper = subprocess.Popen(["sleep", "1000"])
        return answer(request, {"ok": {"pid": sleeper.pid, "group": os.getpgid(0)}})
    if op == "count":
        return answer(request, {"ok": {"calls": CALLS, "crc": binascii.crc32(blob)}})
    if op == "once":
        # Fails unless it is the first case that this child is asked: state that leaks.
        if CALLS > 2 + args.get("probes", 0):
            os._exit(9)
    if op == "give":
        return answer(request, {"ok": {"token": "t-17", "deep": {"list": [4, 5]}}}, [("secret", b"\x01\x02\x03")])
    if op == "take":
        right = args.get("token") == "t-17" and args.get("five") == 5 and blob == b"\x01\x02\x03"
        return answer(request, {"ok": {"right": right}})
    answer(request, {"ok": {}})


def main():
    waiting = []
    while True:
        try:
            frame = read_frame()
        except EOFError:
            break
        waiting.append(frame)
        if OPTIONS.get("reorder") and frame[0]["op"] == "mirror":
            if select.select([STDIN], [], [], 0.05)[0]:
                continue
        for request, blob in reversed(waiting):
            handle(request, blob)
        waiting = []
    if OPTIONS.get("outlive_stdin"):
        time.sleep(1000)


main()
