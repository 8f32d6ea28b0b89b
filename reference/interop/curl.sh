#!/usr/bin/env bash
# apt install curl
# curl against `avp serve`: versions of HTTP and TLS, HEAD, 100-continue, chunks, slow and large uploads, errors.
set -u
if [ "${1:-}" = --help ]; then
    echo "Usage: [AVP=path/to/avp] $0"
    sed -n 3p "$0" | cut -c3-
    exit
fi
. "$(dirname "$0")/checks.sh"
echo "# $(curl --version | head -1)"
binary='Content-Type: application/avp+binary'
message "$work/small.avp" 4
message "$work/large.avp" 16000

serve tls --write-cert "$work/cert.pem"
tls=$url
serve plain --insecure-loopback
plain=$url

# asked EXPECTED-VERSION ARGS…: the health of a server, and by which version of HTTP.
asked() { curl -sS -m 30 -w ' %{http_version} %{http_code}' "$@" 2>&1; }
health='{"status":"ok"}'
equal "health by --http1.1, cleartext" "$(asked --http1.1 "$plain/health")" "$health 1.1 200"
equal "health by --http2-prior-knowledge" "$(asked --http2-prior-knowledge "$plain/health")" "$health 2 200"
# --http2 asks in HTTP/1.1 to go over to HTTP/2 (h2c). RFC 9113 has taken that out: a server may go on in HTTP/1.1.
equal "health by --http2, cleartext: answered in HTTP/1.1" "$(asked --http2 "$plain/health")" "$health 1.1 200"
equal "health by --http2, TLS: ALPN gives HTTP/2" "$(asked --http2 --cacert "$work/cert.pem" "$tls/health")" "$health 2 200"
equal "health by --http1.1, TLS" "$(asked --http1.1 --cacert "$work/cert.pem" "$tls/health")" "$health 1.1 200"
equal "no ALPN at all: HTTP/1.1" "$(asked --no-alpn --cacert "$work/cert.pem" "$tls/health")" "$health 1.1 200"
equal "localhost by name" "$(asked --cacert "$work/cert.pem" "https://localhost:${tls##*:}/health")" "$health 2 200"
for version in 1.2 1.3; do
    equal "TLS $version alone" \
        "$(asked --tlsv$version --tls-max $version --cacert "$work/cert.pem" "$tls/health")" "$health 2 200"
done
# A level of 0 lets OpenSSL offer what it has switched off by default.
curl -sS -m 30 --tlsv1.0 --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 --cacert "$work/cert.pem" "$tls/health" >"$work/out" 2>&1
equal "TLS 1.1 is refused" "$?" 35
curl -sS -m 30 "$tls/health" >"$work/out" 2>&1
equal "a certificate that is not trusted is not" "$?" 60
curl -sS -m 30 "http://${tls#https://}/health" >"$work/out" 2>&1
equal "cleartext to the TLS port gets no answer" "$([ $? != 0 ] && echo none)" none

for way in "--http1.1 $plain" "--http2-prior-knowledge $plain" "--http1.1 --cacert $work/cert.pem $tls" \
    "--http2 --cacert $work/cert.pem $tls"; do
    to=${way##* }
    read -r -a options <<<"${way% *}"
    name="${options[0]} ${to%%:*}"
    ask() { curl -sS -m 60 "${options[@]}" "$@" 2>&1; }
    send() { ask -H "$binary" -w ' %{http_code}' "$@" "$to/avp/v2/transmit"; }

    said=$(ask -I "$to/health")
    has "$name: HEAD: the status" "$said" " 200"
    has "$name: HEAD: the length of what a GET brings" "$said" "content-length: ${#health}"
    said=$(send --data-binary "@$work/small.avp")
    has "$name: a message" "$said" '"success":true'
    said=$(send -T - -X POST <"$work/large.avp")
    has "$name: 8 MB in chunks, without a length" "$said" '"payload_bytes":8192000'
    said=$(send -H 'Expect: 100-continue' --data-binary "@$work/large.avp" -v)
    case $said in
        *"< HTTP/1.1 100"* | *"< HTTP/2 100"*) ok "$name: Expect: 100-continue is told to continue" ;;
        *"< HTTP/2 200"*) ok "$name: Expect: 100-continue is not asked to wait" ;;
        *) failed "$name: Expect: 100-continue" "$said" ;;
    esac
    has "$name: and its 8 MB are taken" "$said" '"payload_bytes":8192000'
    # 512 KiB at 64 KiB/s: eight seconds, and four times as fast as the slowest that is taken.
    message "$work/slow.avp" 1024
    said=$(send --limit-rate 64k --data-binary "@$work/slow.avp")
    has "$name: a slow upload, 64 KiB/s" "$said" '"payload_bytes":524288'

    head -c 30000000 /dev/zero >"$work/huge"
    said=$(send --limit-rate 1M --data-binary "@$work/huge" -H 'Expect:' -w ' code %{http_code} sent %{size_upload}')
    has "$name: 413 for 30 MB" "$said" '"code":"limit_exceeded"'
    sent=${said##* sent }
    if [ "${sent:-30000000}" -lt 15000000 ] 2>/dev/null; then
        ok "$name: before the upload has ended ($sent bytes)"
    else
        failed "$name: before the upload has ended" "$said"
    fi
    said=$(send -H 'Expect: 100-continue' --data-binary "@$work/huge" -w ' code %{http_code} sent %{size_upload}')
    has "$name: 413 in place of 100" "$said" 'code 413 sent 0'
    # Without a length: refused by what the message's own header says.
    printf 'AV\001\000\377\377\377\177\000\000\000\000' | cat - "$work/huge" >"$work/liar"
    said=$(send -T - -X POST --limit-rate 4M <"$work/liar")
    has "$name: 413 for a message that says 2 GB of itself, in chunks" "$said" '"code":"limit_exceeded"'
    said=$(send --data-binary 'no message at all')
    has "$name: 400 for no message" "$said" '"code":"invalid_magic"'
    said=$(send --data-binary '')
    has "$name: 400 for nothing" "$said" ' 400'

    said=$(ask -H "$binary" -H 'Accept: application/x-protobuf' --data-binary "@$work/small.avp" -o "$work/answer" \
        -w '%{http_code} %{content_type}' "$to/avp/v2/transmit")
    equal "$name: an answer in protobuf" "$said" "200 application/x-protobuf"
    # Field 1, a bool that is true.
    equal "$name: which says success" "$(head -c 2 "$work/answer" | od -An -tx1)" " 08 01"

    said=$(ask -H 'Content-Type: application/json' -d '{"agent_id":"curl"}' "$to/avp/v2/handshake")
    has "$name: a handshake" "$said" '"mode":"JSON"'
    session=$(sed -n 's/.*"session_id":"\([0-9a-f]*\)".*/\1/p' <<<"$said")
    said=$(ask -d "{\"session_id\":\"$session\",\"content\":\"Ann visits Rome. Rome sells silk. What can Ann buy?\"}" \
        "$to/avp/v2/text")
    has "$name: a text" "$said" "\"session_id\":\"$session\""
    said=$(ask -N -d '{"model":"pocket-a","stream":true,"messages":[{"role":"user","content":"What can Ann buy?"}]}' \
        "$to/v1/chat/completions")
    has "$name: a chat completion as a stream" "$said" "data: [DONE]"
    equal "$name: 404" "$(ask -o "$work/out" -w '%{http_code}' "$to/nothing/../here")" 404
    said=$(ask -i -X DELETE "$to/avp/v2/transmit")
    has "$name: 405" "$said" " 405"
    has "$name: 405 says what is allowed" "$said" "allow: POST"
    # Three transfers one after the other on one connection, whatever the first one was answered with.
    # curl 7.88 breaks such a connection off when it is used again, with any server (curl's issue 10634).
    if [ "${options[0]}" = --http2-prior-knowledge ] && curl --version | grep -q '^curl 7\.88'; then
        skipped "$name: one connection for three requests" "curl 7.88 can't (curl/curl#10634); nghttp.sh does it"
        continue
    fi
    said=$(ask -w '%{num_connects} ' -o "$work/out" -o "$work/out" -o "$work/out" "$to/nowhere" "$to/health" "$to/v1/models")
    equal "$name: one connection for three requests" "$said" "1 0 0 "
done

for one in tls plain; do
    equal "no warning in the log of the server ($one)" "$(grep -vc 'certificate SHA-256' "$work/$one.log")" 0
done
end
