#!/bin/sh
# Throughput of transmit: this crate's server, hyper alone, and the Python SDK's server under uvicorn, one after the other under
# the same load, on this machine. A number after another is only worth something from the same run.
#
#   examples/http_load/compare.sh [SECONDS] [PYTHON]
#
# PYTHON has avp[transport] and uvicorn; without it the third row is left out and said so.
set -eu
seconds=${1:-60}
python=${2:-python3}
here=$(cd "$(dirname "$0")" && pwd)
cargo build --release --quiet -p avp --features http --example http_load
load=${CARGO_TARGET_DIR:-$here/../../../target}/release/examples/http_load
said=$(mktemp)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null; rm -f "$said"' EXIT

measure() {
    name=$1
    shift
    "$@" >"$said" &
    server=$!
    tries=0
    until grep -q . "$said"; do
        tries=$((tries + 1))
        test $tries -lt 300 || { echo "$name: did not start" >&2; exit 1; }
        sleep 0.1
    done
    address=$(cut -d' ' -f1 "$said")
    # The SDK's server says so before it listens.
    sleep 2
    printf '%-8s ' "$name"
    "$load" run --to "$address" --seconds "$seconds" --pid "$(cut -d' ' -f2 "$said")"
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
    : >"$said"
}

measure avp "$load" serve avp
measure hyper "$load" serve hyper
if "$python" -c 'import avp.transport, uvicorn' 2>/dev/null; then
    measure sdk "$python" "$here/sdk_server.py" 8765
else
    echo "sdk      skipped: $python has no avp[transport] and uvicorn" >&2
fi
measure avp "$load" serve avp
