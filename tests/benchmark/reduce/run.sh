#!/usr/bin/env bash
# Turns corpora into a table of what the reduce costs: time, processor time, bytes, operations, share of the machine's
# matrix peak, and memory, stage by stage.
#
#   bash tests/benchmark/reduce/run.sh [--runs 3] [--memory 4GiB] [--check] [--only STORE] CORPUS...
#
#   CORPUS     a size to generate, such as 200000x384 or 10000000x128:vectors (no texts); or a folder with a store
#   --runs     how often each is reduced; the table has medians
#   --memory   what the reduce is allowed
#   --check    compares the last run from a directory with brute force (check.py; for corpora that fit into memory)
#   --only     directory or s3 alone
#
# Corpora of sizes are reduced from a directory and, where STRATA_TEST_MINIO names a minio, from MinIO on loopback.
# STRATA_BENCHMARK_REFERENCE names a Parquet file of vectors (384 dimensions, or STRATA_BENCHMARK_REFERENCE_DIM) whose
# noisy copies the rows are. Everything lies in ${STRATA_BENCHMARK_DIR:-./strata-benchmark}; the table is printed, and
# kept there as table.md. STRATA_BENCHMARK_BIN names a folder of programs that are built already.
set -euo pipefail

# shellcheck source=measure.sh
source "$(dirname "${BASH_SOURCE[0]}")/measure.sh"

read_arguments() {
    runs=3 memory=4GiB check=false only='' corpora=()
    while (($# > 0)); do
        case $1 in
        --runs | --memory | --only)
            (($# > 1)) || fail "$1 wants a value"
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        --check) check=true ;;
        -*) fail "$1: no such flag" ;;
        *) corpora+=("$1") ;;
        esac
        shift
    done
    ((${#corpora[@]} > 0)) || fail "usage: run.sh [--runs N] [--memory SIZE] [--check] [--only STORE] CORPUS..."
    [[ $runs =~ ^[1-9][0-9]*$ ]] || fail "--runs: found $runs, expected a number"
    [[ -z $only || $only == directory || $only == s3 ]] || fail "--only: found $only, expected directory or s3"
}

# The size's own MinIO, with its data in the benchmark's folder.
start_minio() {
    export STRATA_MINIO_DIR=$folder/minio STRATA_MINIO_PORT=${STRATA_MINIO_PORT:-9123}
    local variables
    variables=$(bash "$repository/deploy/minio.sh" start)
    eval "$variables"
    trap 'bash "$repository/deploy/minio.sh" stop' EXIT
}

# reduce_often NAME KIND STORE
reduce_often() {
    local run
    for ((run = 1; run <= runs; run++)); do
        measure "$3" "$results/$1/$2/$run" --memory "$memory"
    done
}

from_directory() {
    local store=$1
    if [[ ! -d $1 ]]; then
        store=$folder/corpora/$name
        generate "$store" "$1"
    fi
    reduce_often "$name" directory "$store"
    if $check; then
        "$python" "$benchmark/check.py" --store "$store" --run benchmark | tee "$results/$name/check.txt" >&2
    fi
}

from_minio() {
    [[ ! -d $1 ]] || return 0
    if [[ -z ${STRATA_TEST_MINIO:-} ]]; then
        echo "benchmark: $1 is not reduced from MinIO: STRATA_TEST_MINIO names none" >&2
        return 0
    fi
    [[ -n ${STRATA_MINIO_DIR:-} ]] || start_minio
    generate "s3://${STRATA_MINIO_BUCKET:-strata}/$name" "$1"
    reduce_often "$name" s3 "s3://${STRATA_MINIO_BUCKET:-strata}/$name"
}

read_arguments "$@"
prepare
results=$folder/results
rm -rf "$results"
for corpus in "${corpora[@]}"; do
    name=$(basename "${corpus/:/-}")
    [[ $only == s3 ]] || from_directory "$corpus"
    [[ $only == directory ]] || from_minio "$corpus"
done
"$python" "$benchmark/table.py" "$results" | tee "$folder/table.md"
