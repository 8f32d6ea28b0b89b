#!/bin/sh
# Throughput of transmit: this crate's server, hyper alone (the body in its pieces, and in one), and the Python SDK's server under uvicorn, one after the other under
# the same load, on this machine. A number beside another is only worth something from the same run.
#
#   examples/http_load/compare.sh [SECONDS] [PYTHON]
#
# PYTHON has avp[transport] and uvicorn; without it the last server is left out and said so. Fails when this crate's server
# answers anything but 200, 429 and 503, breaks off, or grows; the ratios are printed, with their goals, and fail nothing: they are
# those of a machine.
set -eu
seconds=${1:-60}
python=${2:-python3}
here=$(cd "$(dirname "$0")" && pwd)
cargo build --release --quiet -p avp --features http --example http_load
load=${CARGO_TARGET_DIR:-$here/../../../target}/release/examples/http_load
scratch=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null; rm -rf "$scratch"' EXIT

# NAME JUDGE COMMAND…: starts a server, loads it with the mixed sizes and with 1 KiB alone, and keeps the numbers.
measure() {
    name=$1
    judge=$2
    shift 2
    : >"$scratch/said"
    "$@" >"$scratch/said" &
    server=$!
    tries=0
    until grep -q . "$scratch/said"; do
        tries=$((tries + 1))
        test $tries -lt 300 || { echo "$name: did not start" >&2; exit 1; }
        sleep 0.1
    done
    address=$(cut -d' ' -f1 "$scratch/said")
    pid=$(cut -d' ' -f2 "$scratch/said")
    # The SDK's server says so before it listens.
    sleep 2
    for sizes in mixed 1024; do
        set -- --to "$address" --seconds "$seconds" --pid "$pid" --json
        test "$sizes" = mixed || set -- "$@" --sizes "$sizes"
        test -z "$judge" || set -- "$@" --judge
        "$load" run "$@" >"$scratch/$name-$sizes"
    done
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
}

measure avp judge "$load" serve avp
measure hyper '' "$load" serve hyper
measure one-piece '' "$load" serve one-piece
if "$python" -c 'import avp.transport, uvicorn' 2>/dev/null; then
    measure sdk '' "$python" "$here/sdk_server.py" 8765
else
    echo "sdk: skipped, $python has no avp[transport] and uvicorn" >&2
fi

python3 - "$scratch" <<'END'
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
print("| server | messages | requests/s | MiB/s | p50 ms | p99 ms | statuses | broken off | MiB resident: after warm-up, most by thirds |")
print("|---|---|---|---|---|---|---|---|---|")
rates = {}
for name in ("avp", "hyper", "one-piece", "sdk"):
    for sizes in ("mixed", "1024"):
        path = folder / f"{name}-{sizes}"
        if not path.exists():
            continue
        seen = json.loads(path.read_text())
        rates[name, sizes] = seen["requests_per_second"]
        memory = seen["resident_bytes"]
        mib = ", ".join(f"{part / 2**20:.0f}" for part in [memory["first"], *memory["most_by_thirds"]])
        print(
            f"| {name} | {'1 KiB to 8 MiB' if sizes == 'mixed' else '1 KiB'} | {seen['requests_per_second']:.0f} "
            f"| {seen['bytes_per_second'] / 2**20:.0f} | {seen['p50_ms']:.2f} | {seen['p99_ms']:.2f} "
            f"| {seen['statuses']} | {seen['broken']} | {mib} |"
        )
print()
for other, goal in (("hyper", 0.8), ("one-piece", None), ("sdk", 10)):
    for sizes in ("mixed", "1024"):
        if (other, sizes) in rates:
            ratio = rates["avp", sizes] / rates[other, sizes]
            against = "" if goal is None else f" (goal {goal}: {'reached' if ratio >= goal else 'missed'})"
            print(f"avp / {other}, {sizes}: {ratio:.2f}{against}")
END
