# Runs tests on functions that live in another process, in another sandbox: here is no line that a model wrote. Begins with
# values.py.
import os as _os, sys as _sys

_hear = _os.fdopen(_os.dup(0), "rb")
_say = _os.dup(1)
_tell = _os.dup(2)
_null = _os.open(_os.devnull, _os.O_RDWR)
for _number in (0, 1, 2):
    _os.dup2(_null, _number)


class Ended(Exception):
    pass


def _write(value):
    line = _json.dumps(value).encode() + b"\n"
    while line:
        line = line[_os.write(_say, line):]


def _tells(nonce, verdict):
    line = f"\n{nonce} {_json.dumps(verdict)}\n".encode()
    while line:
        line = line[_os.write(_tell, line):]


def _read():
    line = _hear.readline()
    if not line.endswith(b"\n"):
        raise Ended("the program ended before its answer")
    answer = _json.loads(line)
    if not isinstance(answer, dict):
        raise Ended("no answer")
    return answer


def _candidate(*args, **named):
    _write({"args": [encode(arg) for arg in args], "named": {key: encode(value) for key, value in named.items()}})
    answer = _read()
    if "value" not in answer:
        raise RuntimeError(str(answer.get("error"))[:300])
    return decode(answer["value"])


def _judge():
    job = _json.loads(_hear.readline())
    verdict = {"passed": False, "chosen": None, "how": "no code found"}
    try:
        _write({"readings": job["readings"], "wanted": {"function": job["entry"]}})
        verdict["chosen"] = chosen = _read().get("chosen")
        if chosen is not None:
            # The last line counts; this one stands where it does not come to another.
            _tells(job["nonce"], {**verdict, "how": "no verdict"})
            loaded = _read()
            if loaded.get("loaded") is not True:
                raise RuntimeError(str(loaded.get("error"))[:300])
            space = {"__name__": "judge"}
            # Helpers of the prompt, which tests use too.
            exec(job["prompt"], space)
            space[job["entry"]] = _candidate
            exec(job["test"], space)
            space["check"](_candidate)
            verdict["passed"], verdict["how"] = True, ""
    except BaseException as error:
        verdict["how"] = f"{type(error).__name__}: {error}"[:300]
    _tells(job["nonce"], verdict)


_judge()
