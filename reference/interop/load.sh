#!/usr/bin/env bash
# apt install nghttp2-client wrk
# h2load and wrk against `avp serve`: figures, and that no request is answered with anything but 200, 429 or 503.
set -u
if [ "${1:-}" = --help ]; then
    echo "Usage: [AVP=path/to/avp] $0 [REQUESTS [SECONDS]]   (20000 for each run of h2load, 10 s for each of wrk)"
    sed -n 3p "$0" | cut -c3-
    exit
fi
requests=${1:-20000} seconds=${2:-10}
. "$(dirname "$0")/checks.sh"
command -v h2load >/dev/null || { echo "no h2load: apt install nghttp2-client" >&2; exit 2; }
echo "# $(h2load --version), $(wrk -v 2>&1 | head -1 | cut -d' ' -f1-2), $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
binary='content-type: application/avp+binary'
# A hidden state of 64 KiB, and its header.
message "$work/body.avp" 128

serve plain --insecure-loopback --metrics 127.0.0.1:0
plain=$url plain_pid=$pid
numbers=$(sed -n 's/.*numbers on //p' "$work/plain.log")
serve tls --write-cert "$work/cert.pem" --metrics 127.0.0.1:0
tls=$url
tls_numbers=$(sed -n 's/.*numbers on //p' "$work/tls.log")

memory() { awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$1/status"; }

# judged WHAT OUTPUT: h2load's own count of what came.
judged() {
    local rate requests codes
    rate=$(sed -n 's/^finished in [^,]*, \([^,]*\) req.s, \(.*\)$/\1 requests\/s, \2/p' <<<"$2")
    requests=$(sed -n 's/^requests: //p' <<<"$2")
    codes=$(sed -n 's/^status codes: //p' <<<"$2")
    local wrong='[1-9][0-9]* errored|[1-9][0-9]* timeout|[1-9][0-9]* 3xx'
    # Which 4xx and 5xx they were is in the server's own numbers, below.
    if grep -Eq '[1-9][0-9]* 2xx' <<<"$codes" && ! grep -Eq "$wrong" <<<"$requests, $codes"; then
        ok "$1: $rate ($codes)"
    else
        failed "$1" "$requests; $codes; $(head -5 <<<"$2")"
    fi
}

for to in "$plain" "$tls"; do
    name=${to%%:*}
    # run OPTIONS… PATH
    run() {
        local path=${*: -1} options="${*:1:$#-1}"
        local body=()
        [ "$path" = /health ] || body=(-d "$work/body.avp" -H "$binary")
        # shellcheck disable=SC2086
        judged "$name: h2load $options -n $requests, $path" \
            "$(h2load $options -t 2 -n "$requests" "${body[@]}" "$to$path" 2>&1)"
    }
    run -c 64 -m 10 /health
    run -c 64 -m 1 /avp/v2/transmit
    # 640 at a time are more than the server works on: some are told to come again.
    run -c 64 -m 10 /avp/v2/transmit
    run --h1 -c 64 /avp/v2/transmit
done

# Once it is warm: whether the process grows on.
before=$(memory "$plain_pid")
h2load -n "$((2 * requests))" -t 2 -c 64 -m 10 -d "$work/body.avp" -H "$binary" "$plain/avp/v2/transmit" >/dev/null 2>&1
after=$(memory "$plain_pid")
if [ "$after" -le $((before + before / 10 + 16)) ]; then
    ok "memory after $((2 * requests)) more messages: $before MiB, then $after MiB"
else
    failed "memory after $((2 * requests)) more messages" "$before MiB, then $after MiB"
fi

# What the servers themselves have counted: every status that is none of these three is one too many.
for one in "$numbers" "$tls_numbers"; do
    counted=$(curl -sS "$one" | grep '^avp.*status="' | grep -v ' 0$')
    has "the server's own numbers were read" "$counted" 'status="200"'
    others=$(grep -Ev 'status="(200|429|503)"' <<<"$counted")
    equal "and have nothing but 200, 429 and 503" "${others:-none}" none
    sed -n 's/^[^{]*{route="transmit",\(status="[0-9]*"\)} /# transmit \1: /p' <<<"$counted"
done

if command -v wrk >/dev/null; then
    cat >"$work/transmit.lua" <<LUA
local file = io.open("$work/body.avp", "rb")
wrk.method, wrk.body = "POST", file:read("a")
wrk.headers["Content-Type"] = "application/avp+binary"
LUA
    for what in health transmit; do
        script=() path=/health
        [ $what = transmit ] && script=(-s "$work/transmit.lua") path=/avp/v2/transmit
        said=$(wrk -t 2 -c 64 -d "${seconds}s" "${script[@]}" "$plain$path" 2>&1)
        rate=$(sed -n 's/^Requests.sec: *//p' <<<"$said")
        if grep -Eq 'Socket errors|Non-2xx' <<<"$said" || [ -z "$rate" ]; then
            failed "http: wrk -t 2 -c 64 -d ${seconds}s, $what" "$said"
        else
            ok "http: wrk -t 2 -c 64 -d ${seconds}s, $what: $rate requests/s"
        fi
    done
else
    skipped "wrk" "not installed"
fi

end
