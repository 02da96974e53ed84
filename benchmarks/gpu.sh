#!/usr/bin/env bash
# What docs/zo.md states of a GPU, on one with 80 GB:
#
#   bash benchmarks/gpu.sh timings SST2                   some three minutes, with nothing beside it
#   python -m benchmarks.tuning data --out CORPUS
#   bash benchmarks/gpu.sh runs    SST2 CORPUS [SECONDS]  side by side; what is cut off goes on when it is started again
#
# SST2 holds train.tsv and dev.tsv. All goes to WORK (data/zo), results to WORK/results: copy what is to be published.
# DEVICE=cpu STEPS=3 SHAPES=tiny tries the script itself; PYTHON names another interpreter than python3.
set -euo pipefail
part=$1 sst2=$2 corpus=${3:-} seconds=${4:-100000}
device=${DEVICE:-cuda} steps=${STEPS:-600} work=${WORK:-data/zo} python=${PYTHON:-python3}
results=$work/results
mkdir -p "$results"
zo() { "$python" -m benchmarks.zo "$1" --sst2 "$sst2" --device "$device" --work "$work" --results "$results" "${@:2}"; }

if [ "$part" = timings ]; then
  zo speed --rounds 7
  zo rates
  "$python" -m benchmarks.zo_gpu --device "$device" --rounds 4 --out "$results/zo-gpu.jsonl" \
    ${SHAPES:+--shapes "$SHAPES"}
  exit
fi

export -f zo
export sst2 device work results python
export OMP_NUM_THREADS=2
names=() running=()
run() {
  timeout "$seconds" bash -c 'zo "$@"' zo "${@:2}" >"$work/$1.log" 2>&1 &
  names+=("$1") running+=($!)
}
quality() { run "$1-$2" quality --steps "$steps" --validate-every 50 --methods "$1" --seeds "$2"; }
run sweep sweep_layers --steps $((steps / 3)) --layers "$(seq -s, 0 29)"
run corpus corpus --steps $((steps / 3)) --corpus "$corpus/train.jsonl" --held-out "$corpus/held-out.jsonl"
quality dominant,adamw 0,1,2
for seed in 0 1 2; do
  quality mezo $seed
  quality lora $seed
done
failed=0
for i in "${!running[@]}"; do
  wait "${running[$i]}" || { echo "${names[$i]} is not finished: $work/${names[$i]}.log" >&2; failed=1; }
done
exit $failed
