#!/usr/bin/env bash
# Vectors -> inertia against time of our k-means and three others, as a table and a plot.
#
#   bash tests/benchmark/kmeans/run.sh VECTORS.parquet OUT [ARGUMENT...]
#
# VECTORS.parquet has the columns id and vector (float32). OUT gets the data sets, table.md and plot.svg; arguments go
# to benchmark.py, such as --rounds 5. Builds what it measures and makes a virtual environment in OUT (some 500 MB) unless
# STRATA_BENCHMARK_PYTHON names a Python that has requirements.txt. Takes half an hour on two cores that are idle.
set -euo pipefail

[[ $# -ge 2 ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$2"
vectors=$(realpath "$1") out=$(realpath "$2")
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

cd "$here/../../.."
cargo build --release --workspace --locked --bin benchmark-kmeans
program=${CARGO_TARGET_DIR:-$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')}

python=${STRATA_BENCHMARK_PYTHON:-}
if [[ -z $python ]]; then
    python=$out/venv/bin/python
    [[ -x $python ]] || python3 -m venv "$out/venv"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
fi

"$python" "$here/data.py" "$vectors" "$out"
"$python" "$here/benchmark.py" --program "$program/release/benchmark-kmeans" --data "$out" --out "$out" "$@"
"$python" "$here/report.py" "$out"
