"""The built-in reference with a defect: frames go to it and back, and one kind of them is altered on the way.

    proxy.py MODE REFERENCE-COMMAND...
"""
import json, os, signal, struct, subprocess, sys, time

mode, command = sys.argv[1], sys.argv[2:]
stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def read(stream):
    head = stream.read(8)
    if len(head) < 8:
        return None
    json_len, blob_len = struct.unpack("<II", head)
    return json.loads(stream.read(json_len)), stream.read(blob_len)


def write(stream, body, blob):
    text = json.dumps(body).encode()
    stream.write(struct.pack("<II", len(text), len(blob)) + text + blob)
    stream.flush()


if mode == "no-hello":
    sys.exit("a module is missing")
if mode == "prints":
    print("ready to serve", flush=True)

cases = 0
while (frame := read(stdin)) is not None:
    request, blob = frame
    if mode == "silent":
        time.sleep(3600)
    probe = request["op"] == "hello" or request["op"].startswith("nope-")
    cases += not probe
    if mode == "dies" and request["op"] == "encode":
        print("out of luck", file=sys.stderr, flush=True)
        os._exit(7)
    if mode == "interrupts" and cases > 5:
        if cases == 6:
            os.kill(os.getppid(), signal.SIGINT)
        time.sleep(0.05)
    write(child.stdin, request, blob)
    answer, blob = read(child.stdout)
    err = answer.get("err", {})
    if request["op"] == "hello":
        answer["ok"]["inflight"] = 1
        if mode == "only-decode":
            answer["ok"]["ops"] = ["decode"]
        if mode == "no-ops":
            answer["ok"]["ops"] = []
    elif mode == "accepts-magic" and err.get("code") == "invalid_magic":
        answer = {"id": answer["id"], "ok": {}}
    elif mode == "accepts-version" and err.get("code") == "unsupported_version":
        answer = {"id": answer["id"], "ok": {}}
    elif mode == "coarse" and err:
        err["code"] = "decode"
    elif mode == "fails-all" and cases > 2:
        answer = {"id": answer["id"], "ok": {}}
        blob = b""
    elif mode == "text" and blob:
        # What a stream in text mode does to bytes.
        blob = blob.replace(b"\n", b"\r\n")
        answer["parts"][-1]["len"] = len(blob)
    write(stdout, answer, blob)
child.stdin.close()
if mode == "lingers":
    time.sleep(3600)
sys.exit(child.wait())
