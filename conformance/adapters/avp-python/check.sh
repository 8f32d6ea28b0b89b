#!/usr/bin/env bash
# Judges the Python SDK, release by release, each against its list of known deviations. Installs each release into a cache
# folder of its own on first use. Releases: as given, or one of every dialect and line. What the SDK does with torch is not
# asked here: `avp-python-torch` beside this folder does, and takes 5 GB.
set -euo pipefail
cd "$(dirname "$0")/../../.."
releases=("$@")
[ ${#releases[@]} -gt 0 ] || releases=(0.6.2 0.5.1 0.4.2 0.4.0 0.3.2 0.2.3)
for release in "${releases[@]}"; do
    cargo run --release --quiet -- adapter setup "avp-python@$release"
    narrowed=()
    case "$release" in
    0.2.* | 0.3.*)
        # Their projections are torch's, which is not installed here.
        echo "avp-python@$release: PRJ is skipped, since projections of this release need torch"
        narrowed=(--area HDR,META,ENUM,PAY,CMP,JSON,KV,HASH,HS,SES,RLN,XFR,CTX,STO,API,MET,VAL,QG,MAP,HTTP,SEC)
        ;;
    esac
    cargo run --release --quiet -- run --adapter "avp-python@$release" "${narrowed[@]}"
done
