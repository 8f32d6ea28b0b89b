# Checks that print one line each, and `avp serve` as a process, for the scripts beside this file (bash).
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
AVP=${AVP:-avp}
command -v "$AVP" >/dev/null ||
    { echo "no avp: put it on the PATH or name it in AVP; cargo build --release -p avp --features cli,http,model" >&2; exit 2; }
work=$(mktemp -d)
pids=()
oks=0 failures=0 skips=0
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done; rm -rf "$work"' EXIT

# ok WHAT | failed WHAT WHY | skipped WHAT WHY
ok() { oks=$((oks + 1)); echo "ok       $1"; }
failed() { failures=$((failures + 1)); echo "FAILED   $1: ${2:0:400}"; }
skipped() { skips=$((skips + 1)); echo "skipped  $1: $2"; }

# equal WHAT FOUND EXPECTED
equal() { if [ "$2" = "$3" ]; then ok "$1"; else failed "$1" "expected $3, found $2"; fi; }
# has WHAT FOUND WORDS
has() { case $2 in *"$3"*) ok "$1" ;; *) failed "$1" "no $3 in: $2" ;; esac; }

# Says how many, and ends the script: 1 when a check failed, or none was made.
end() {
    echo "# $oks ok, $failures FAILED, $skips skipped"
    [ "$failures" = 0 ] && [ "$oks" != 0 ]
    exit
}

# serve NAME ARGS… starts a server on a free port; its address is then in $url, its process in $pid.
serve() {
    local name=$1
    shift
    AVP_LOG=warn "$AVP" serve --model pocket-a --listen 127.0.0.1:0 "$@" >"$work/$name.said" 2>"$work/$name.log" &
    pid=$!
    pids+=("$pid")
    local tries=0
    until grep -q listening "$work/$name.said"; do
        tries=$((tries + 1))
        if [ $tries -gt 300 ] || ! kill -0 "$pid" 2>/dev/null; then
            echo "avp serve did not start: $(cat "$work/$name.log")" >&2
            exit 2
        fi
        sleep 0.1
    done
    url=$(sed -n 's/^listening on //p' "$work/$name.said")
}

# message PATH ROWS makes a hidden state of ROWS × 128 floats.
message() {
    head -c "$(($2 * 512))" /dev/zero >"$work/payload"
    "$AVP" encode "$work/payload" --metadata "{\"hidden_dim\": 128, \"tensor_shape\": [$2, 128]}" -o "$1"
}
