#!/usr/bin/env bash
# A run in shards on one machine, or on several by ssh, by GNU parallel.
#
#   benchmarks/slurm/parallel.sh RUN DIR SHARDS [parallel options, such as --jobs 4 …]
#
# AVP_BENCH names the program; `avp-bench` from the path where it is unset. The same command again runs only the shards whose
# files do not say that they are done: parallel's own log is a hint, the files decide.
set -euo pipefail
if [ $# -lt 3 ]; then
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
run=$1 dir=$2 shards=$3
shift 3
program=${AVP_BENCH:-avp-bench}
mkdir -p "$dir"
log=$dir/parallel.log
again=()
if [ -e "$log" ]; then
  again=(--resume-failed)
fi
# A shard that fails does not stop the others; what is missing is seen below.
# Quoted: parallel joins arguments, and names may have spaces.
seq "$shards" | parallel --joblog "$log" ${again[@]+"${again[@]}"} "$@" --quote \
  bash -c '"$0" run "$1" --out "$2" --shard "$3" --json > "$4"' \
  "$program" "$run" "$dir" "{}/$shards" "$dir/shard-{}.json" || true
missing=0
for index in $(seq "$shards"); do
  if [ ! -e "$dir/shards/$index-of-$shards.done" ]; then
    echo "shard $index of $shards is not done" >&2
    missing=1
  fi
done
if [ "$missing" = 1 ]; then
  # parallel would not run again what it takes for done: a shard of a folder that was copied in part, say.
  for index in $(awk 'NR > 1 { ok[$1] = $7 == 0 && $8 == 0 } END { for (job in ok) if (ok[job]) print job }' "$log"); do
    if [ ! -e "$dir/shards/$index-of-$shards.done" ]; then
      mv "$log" "$log.old"
      break
    fi
  done
  echo "the same command again runs what is missing" >&2
  exit 1
fi
"$program" merge "$dir"
