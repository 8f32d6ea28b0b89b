#!/usr/bin/env bash
# Judges the Python SDK, release by release, each against its list of known deviations. Installs each release into a cache
# folder of its own on first use. Releases: as given, or one of every dialect and line.
set -euo pipefail
cd "$(dirname "$0")/../../.."
releases=("$@")
[ ${#releases[@]} -gt 0 ] || releases=(0.6.2 0.5.1 0.4.2 0.4.0 0.3.2 0.2.3)
for release in "${releases[@]}"; do
    cargo run --release --quiet -- adapter setup "avp-python@$release"
    cargo run --release --quiet -- run --adapter "avp-python@$release"
done
