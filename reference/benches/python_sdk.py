"""Times encode and decode of the Python package `avp`; prints JSON.

    python python_sdk.py 1MiB=1048576 16MiB=16777216

Needs an interpreter with the package (written for 0.6.2). Best of several rounds, uncompressed, payloads as in the
Rust benchmark's size list.
"""

import importlib.metadata
import json
import os
import sys
import time

import avp

SECONDS_PER_SIZE = 3.0
MIN_ROUNDS = 5


def best(work, repeat):
    """Least seconds of one call."""
    least, rounds, start = float("inf"), 0, time.perf_counter()
    while rounds < MIN_ROUNDS or time.perf_counter() - start < SECONDS_PER_SIZE:
        rounds += 1
        before = time.perf_counter()
        for _ in range(repeat):
            work()
        least = min(least, (time.perf_counter() - before) / repeat)
    return least


def metadata(size):
    return avp.AVPMetadata(
        session_id="9f2c6c0e7b7f4d0f8a51d8a4b1c0ffee",
        source_agent_id="researcher",
        target_agent_id="writer",
        model_id="example/model-7b",
        hidden_dim=256,
        num_layers=28,
        tensor_shape=(size // 1024, 256),
    )


def main():
    seconds = {}
    for argument in sys.argv[1:]:
        name, size = argument.split("=")
        size = int(size)
        payload = os.urandom(size)
        message = avp.encode(payload, metadata(size))
        repeat = max(1, (1 << 16) // size)
        seconds[name] = {
            "encode": best(lambda: avp.encode(payload, metadata(size)), repeat),
            "decode": best(lambda: avp.decode(message), repeat),
        }
    json.dump({"version": importlib.metadata.version("avp"), "seconds": seconds}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
