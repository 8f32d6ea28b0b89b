#!/usr/bin/env bash
# Judges an implementation in a step of a workflow: see README.md. Everything comes in through variables, and none of them is
# ever read as code. Runs with the bash 3.2 of macOS too.
set -euo pipefail

# A message that GitHub shows with the step; percent signs and line ends would begin something else.
stop() {
  local text="${1//'%'/%25}"
  text="${text//$'\r'/%0D}"
  printf '::error title=AVP conformance::%s\n' "${text//$'\n'/%0A}"
  exit 2
}

# Splits $2 into the array `words`: quotes group, a backslash escapes, nothing is expanded. $1 names the input.
split() {
  local file word
  words=()
  file="$(mktemp)"
  if ! printf '%s' "$2" | tr '\n\r\t' '   ' | xargs printf '%s\0' > "$file" 2> /dev/null; then
    rm -f "$file"
    stop "input $1: a quote has no end"
  fi
  # Without any word some printf still print an end.
  if [ -n "${2//[[:space:]]/}" ]; then
    while IFS= read -r -d '' word; do words+=("$word"); done < "$file"
  fi
  rm -f "$file"
}

# One output of the step. A line end in it would begin another.
output() {
  case "$2" in *$'\n'* | *$'\r'*) stop "output $1 would have a line end in it" ;; esac
  printf '%s=%s\n' "$1" "$2" >> "${GITHUB_OUTPUT:-/dev/null}"
}

# A file's name that no option begins with.
file_name() {
  case "$1" in -*) printf './%s' "$1" ;; *) printf '%s' "$1" ;; esac
}

command_line="${INPUT_COMMAND:-}"
adapter="${INPUT_ADAPTER:-}"
url="${INPUT_URL:-}"
reports="$(file_name "${INPUT_REPORTS:-avp-conformance}")"
case "$reports" in *$'\n'* | *$'\r'*) stop "input reports: a folder's name has no line end" ;; esac

named=0
for input in "$command_line" "$adapter" "$url"; do
  if [ -n "$input" ]; then named=$((named + 1)); fi
done
if [ "$named" != 1 ]; then stop "one of the inputs command, adapter and url says what is judged; $named are given"; fi

options=()
case "${INPUT_STRICT:-false}" in
  true) options+=(--strict) ;;
  false | "") ;;
  *) stop "input strict: true or false" ;;
esac
if [ -n "${INPUT_PROFILE:-}" ]; then options+=("--profile=$INPUT_PROFILE"); fi
if [ -n "${INPUT_BASELINE:-}" ]; then options+=("--baseline=$INPUT_BASELINE"); fi
split args "${INPUT_ARGS:-}"
options+=(${words[@]+"${words[@]}"})

target=()
if [ -n "$command_line" ]; then
  split command "$command_line"
  if [ "${#words[@]}" = 0 ]; then stop "input command: no word in it"; fi
  target=(-- "${words[@]}")
elif [ -n "$adapter" ]; then
  target=("--adapter=$adapter")
else
  target=("--url=$url")
fi

binary="${INPUT_BINARY:-}"
if [ -z "$binary" ]; then
  # The action's own commit; without the reference, which judges nobody and takes the longer part of a build.
  root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
  if ! command -v cargo > /dev/null; then stop "no cargo: set up Rust 1.95 or later before this step, or name a binary"; fi
  build="${RUNNER_TEMP:-${TMPDIR:-/tmp}}/avp-conformance-build"
  echo "::group::Building avp-conformance"
  cargo build --release --locked --manifest-path "$root/Cargo.toml" --target-dir "$build" \
    --package avp-conformance --bin avp-conformance --no-default-features
  echo "::endgroup::"
  binary="$build/release/avp-conformance"
fi
# A name without a folder would be looked for along the path.
case "$binary" in */*) ;; *) binary="./$binary" ;; esac
if [ ! -x "$binary" ]; then stop "no program at $binary"; fi

mkdir -p -- "$reports"
# What an earlier step left there would pass for this run's.
for name in events.ndjson report.html report.json report.xml report.sarif badge.svg; do rm -f -- "$reports/$name"; done
if [ -n "$adapter" ]; then "$binary" adapter setup -- "$adapter"; fi

code=0
"$binary" run "${options[@]+"${options[@]}"}" \
  --events "$reports/events.ndjson" \
  --report "html=$reports/report.html" --report "json=$reports/report.json" --report "junit=$reports/report.xml" \
  --report "sarif=$reports/report.sarif" --report "badge=$reports/badge.svg" \
  "${target[@]}" || code=$?

verdict=none
if [ -f "$reports/events.ndjson" ]; then
  profile=()
  if [ -n "${INPUT_PROFILE:-}" ]; then
    profile=("--profile=$INPUT_PROFILE")
  elif [ -n "$url" ]; then
    profile=(--profile=http)
  fi
  strict=()
  if [ "${INPUT_STRICT:-false}" = true ]; then strict=(--strict); fi
  verdict="$("$binary" report "$reports/events.ndjson" --to verdict ${profile[@]+"${profile[@]}"} \
    ${strict[@]+"${strict[@]}"} 2> /dev/null)" || true
fi
case "$verdict" in conformant | not_conformant | incomplete | not_judged) ;; *) verdict=none ;; esac

output verdict "$verdict"
output exit-code "$code"
for pair in events=events.ndjson html=report.html json=report.json junit=report.xml sarif=report.sarif badge=badge.svg; do
  path="$reports/${pair#*=}"
  # Later steps start elsewhere.
  case "$path" in /*) ;; *) path="$PWD/${path#./}" ;; esac
  if [ -f "$path" ]; then output "${pair%%=*}" "$path"; fi
done
exit "$code"
