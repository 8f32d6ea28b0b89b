#!/usr/bin/env bash
# apt install curl nghttp2-client wrk openssl
# pip install 'avp[transport]==0.6.2' fastapi==0.165.0 uvicorn==0.54.0 hypercorn==0.18.0 h2==4.4.1 numpy==2.4.6 zstandard==0.25.0 \
#     openai==3.52.0 'httpx[http2]==0.28.1' langchain-openai==1.7.3 langchain-core==1.7.2 hyperframe==6.1.0 hpack==4.2.0
# Every script here, one after the other, and how each ended. What is not installed is left out and said so.
set -u
if [ "${1:-}" = --help ]; then
    echo "Usage: [AVP=path/to/avp] [AVP_ADAPTER=path/to/avp-adapter] [PYTHON=python3] $0 [-v] [NAME…]"
    sed -n 5p "$0" | cut -c3-
    echo "NAMEs are of scripts, e.g. curl.sh. Without -v only what is not ok is shown, with the summary."
    exit
fi
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
verbose=
[ "${1:-}" = -v ] && verbose=1 && shift
names=("$@")
[ $# != 0 ] || names=(sdk_client.py avp_client.py curl.sh nghttp.sh h2_frames.py openai_two_agents.py
    langchain_two_agents.py load.sh)

# What a script can't do without.
lacks() {
    case $1 in
        sdk_client.py) modules="avp httpx h2 numpy zstandard" ;;
        avp_client.py) modules="avp fastapi uvicorn hypercorn h2" ;;
        h2_frames.py) modules="hyperframe hpack" ;;
        openai_two_agents.py) modules="openai httpx" ;;
        langchain_two_agents.py) modules="langchain_openai" ;;
        *) modules= ;;
    esac
    for module in $modules; do
        "$python" -c "import $module" 2>/dev/null || echo "$module for $python"
    done
    case $1 in
        curl.sh) programs=curl ;;
        nghttp.sh) programs=nghttp ;;
        load.sh) programs="h2load curl" ;;
        *) programs= ;;
    esac
    for program in $programs; do
        command -v "$program" >/dev/null || echo "$program"
    done
}

summary=() failed=0
for name in "${names[@]}"; do
    lacking=$(lacks "$name" | paste -sd, -)
    if [ -n "$lacking" ]; then
        summary+=("skipped  $name: no $lacking")
        continue
    fi
    echo "== $name"
    begun=$SECONDS
    output=$(case $name in *.py) "$python" "$here/$name" ;; *) bash "$here/$name" ;; esac 2>&1)
    code=$?
    if [ -n "$verbose" ]; then echo "$output"; else grep -v '^ok ' <<<"$output"; fi
    took=$((SECONDS - begun))
    if [ $code = 0 ]; then
        summary+=("ok       $name: $(tail -1 <<<"$output" | cut -c3-), $took s")
    else
        failed=1
        summary+=("FAILED   $name: exit code $code, $(tail -1 <<<"$output" | cut -c3-), $took s")
    fi
done
echo "== summary"
printf '%s\n' "${summary[@]}"
exit $failed
