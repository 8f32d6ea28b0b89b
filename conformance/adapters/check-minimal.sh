#!/usr/bin/env bash
# Judges the template adapters. Each needs one interpreter or compiler; one that is missing is named and skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
for entry in minimal-node:node minimal-java:javac; do
    name=${entry%%:*} needs=${entry##*:}
    if ! command -v "$needs" >/dev/null; then
        echo "skipped $name: no $needs on the PATH"
        continue
    fi
    cargo run --release --quiet -- adapter setup "$name"
    # 5: nothing is broken, but a codec alone does not verify every requirement. Anything broken is 1.
    cargo run --release --quiet -- run --adapter "$name" || [ $? -eq 5 ]
done
