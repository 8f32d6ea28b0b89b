#!/usr/bin/env bash
# apt install nghttp2-client openssl
# nghttp against `avp serve`: the frames of good connections, as another implementation of HTTP/2 sees them.
set -u
if [ "${1:-}" = --help ]; then
    echo "Usage: [AVP=path/to/avp] $0"
    sed -n 3p "$0" | cut -c3-
    exit
fi
. "$(dirname "$0")/checks.sh"
command -v nghttp >/dev/null || { echo "no nghttp: apt install nghttp2-client" >&2; exit 2; }
echo "# $(nghttp --version)"
binary='content-type: application/avp+binary'
message "$work/large.avp" 16000

serve plain --insecure-loopback
plain=$url
serve tls --write-cert "$work/cert.pem"

for to in "$plain" "$url"; do
    name=${to%%:*}
    said=$(timeout 60 nghttp -nv "$to/health" 2>&1)
    has "$name: 200" "$said" ":status: 200"
    # The limits that reference/src/transport/server/connection.rs names.
    for setting in 'MAX_CONCURRENT_STREAMS(0x03):100' 'INITIAL_WINDOW_SIZE(0x04):1048576' 'MAX_FRAME_SIZE(0x05):65536' \
        'MAX_HEADER_LIST_SIZE(0x06):16384'; do
        has "$name: SETTINGS $setting" "$said" "$setting"
    done
    has "$name: the connection's window is 1 MiB as well" "$said" "window_size_increment=983041"
    has "$name: our SETTINGS are acknowledged" "$said" "recv SETTINGS frame <length=0, flags=0x01"
    [ "$name" = https ] && has "$name: ALPN" "$said" "The negotiated protocol: h2"

    said=$(timeout 60 nghttp -nv -H ':method: HEAD' "$to/health" 2>&1)
    has "$name: HEAD has no body" "$(grep "recv HEADERS" <<<"$said")" "flags=0x05, stream_id=13"

    said=$(timeout 60 nghttp -v -d "$work/large.avp" -H "$binary" "$to/avp/v2/transmit" 2>&1)
    has "$name: 8 MB" "$said" '"payload_bytes":8192000'
    # 8 MB in windows of 1 MiB: the server has to open them again.
    updates=$(grep -c "recv WINDOW_UPDATE frame .*stream_id=[1-9]" <<<"$said")
    if [ "$updates" -ge 7 ]; then ok "$name: its windows were opened $updates times"; else failed "$name: windows" "$updates"; fi

    # Frames as small as can be, and padded ones.
    said=$(timeout 60 nghttp -v -b 100 -d "$work/large.avp" -H "$binary" "$to/avp/v2/transmit" 2>&1 | tr -d '\0')
    has "$name: 8 MB in padded frames" "$said" '"payload_bytes":8192000'
    # Answers within a window of 16 bytes (2^4 - 1 = 15).
    said=$(timeout 60 nghttp -nv -w 4 -W 4 "$to/v1/models" 2>&1)
    has "$name: an answer in windows of 15 bytes" "$said" "recv DATA frame <length=15"
    has "$name: comes to its end" "$said" "flags=0x01, stream_id=13"
    # Many requests on one connection.
    said=$(timeout 60 nghttp -ns -m 50 "$to/health" "$to/v1/models" 2>&1)
    equal "$name: 100 requests on one connection" "$(grep -c ' 200 ' <<<"$said")" 100
    said=$(timeout 60 nghttp -nv --no-dep --expect-continue -d "$work/large.avp" -H "$binary" "$to/avp/v2/transmit" 2>&1)
    has "$name: a client that waits for 100 is not left waiting" "$said" ":status: 200"
done
said=$(timeout 60 openssl s_client -connect "${url#https://}" -tls1_3 -alpn h2 </dev/null 2>&1 | tr -d '\0')
has "openssl s_client, TLS 1.3 alone: ALPN" "$said" "ALPN protocol: h2"
end
