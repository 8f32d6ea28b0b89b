#!/usr/bin/env bash
# A run as a Slurm array: one task a shard, then one job that merges.
#
#   benchmarks/slurm/array.sh RUN DIR SHARDS [sbatch options …]
#
# RUN is a run file or a shipped one's name, DIR a folder that every node sees. AVP_BENCH names the program; `avp-bench` from
# the path where it is unset. Submitting again after a failure runs what is lacking: a shard knows what it has done.
set -euo pipefail
if [ $# -lt 3 ]; then
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
run=$1 dir=$2 shards=$3
shift 3
program=${AVP_BENCH:-avp-bench}
mkdir -p "$dir"
here=$(cd "$(dirname "$0")" && pwd)
job=$(sbatch --parsable --array="1-$shards" --job-name="avp-$(basename "$dir")" \
  --output="$dir/shard-%a.log" --export="ALL,AVP_BENCH=$program" "$@" \
  "$here/shard.sbatch" "$run" "$dir" "$shards")
# Whatever became of the tasks: the merge step judges from the shards' files.
sbatch --parsable --dependency="afterany:${job%%;*}" --job-name="avp-merge-$(basename "$dir")" \
  --output="$dir/merge.log" --export="ALL,AVP_BENCH=$program" "$@" "$here/merge.sbatch" "$dir"
