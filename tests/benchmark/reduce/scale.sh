#!/usr/bin/env bash
# Turns sizes into a drawing of how the reduce's time and memory grow: 1, 2.5, 5 and 10 million × 128, vectors only, k = 100.
#
#   bash tests/benchmark/reduce/scale.sh [--memory 4GiB] [--clusters 100] [--dim 128] [ROWS...]
#
# Everything lies in ${STRATA_BENCHMARK_DIR:-./strata-benchmark}: scale.svg, scale.png and scale.md. Each corpus is removed
# once it is measured (10 million rows take 5.2 GB and their index half as much), unless STRATA_BENCHMARK_KEEP is set.
set -euo pipefail

# shellcheck source=measure.sh
source "$(dirname "${BASH_SOURCE[0]}")/measure.sh"

memory=4GiB clusters=100 dim=128 sizes=()
while (($# > 0)); do
    case $1 in
    --memory | --clusters | --dim)
        (($# > 1)) || fail "$1 wants a value"
        printf -v "${1#--}" %s "$2"
        shift
        ;;
    -*) fail "$1: no such flag" ;;
    *) sizes+=("$1") ;;
    esac
    shift
done
((${#sizes[@]} > 0)) || sizes=(1000000 2500000 5000000 10000000)

prepare
results=$folder/scale
rm -rf "$results"
for size in "${sizes[@]}"; do
    [[ $size =~ ^[1-9][0-9]*$ ]] || fail "$size: expected a number of rows"
    store=$folder/corpora/${size}x$dim-vectors
    generate "$store" "${size}x$dim:vectors"
    measure "$store" "$results/$size" --memory "$memory" --clusters "$clusters"
    [[ -n ${STRATA_BENCHMARK_KEEP:-} ]] || rm -r "$store"
done
"$python" "$benchmark/scale.py" "$results" "$folder/scale" "$memory" | tee "$folder/scale.md"
