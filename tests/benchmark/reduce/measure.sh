# What run.sh and scale.sh share: programs, corpora and single measurements. To be sourced.
#
# Everything lies in $folder: corpora/NAME, results/…, python. After `prepare` the programs are on PATH and $python has
# the libraries of environment.txt.

benchmark=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$benchmark/../../.." && pwd)
folder=$(realpath -m -- "${STRATA_BENCHMARK_DIR:-$PWD/strata-benchmark}")
python=$folder/python/bin/python

say() {
    printf '\n== %s\n' "$*" >&2
}

fail() {
    echo "benchmark: $*" >&2
    exit 2
}

# STRATA_BENCHMARK_BIN names a folder of programs that are built already.
prepare() {
    mkdir -p "$folder"
    [[ -e $folder/.gitignore ]] || echo '*' >"$folder/.gitignore"
    if [[ -n ${STRATA_BENCHMARK_BIN:-} ]]; then
        PATH=$STRATA_BENCHMARK_BIN:$PATH
    else
        # shellcheck source=../../../deploy/setup.sh
        source "$repository/deploy/setup.sh"
        say "building"
        (cd "$repository" && cargo build --release --locked --workspace --bins)
        PATH=$CARGO_TARGET_DIR/release:$PATH
    fi
    [[ -x /usr/bin/time ]] || bash "$repository/deploy/packages.sh" time
    make_python
}

make_python() {
    local made=$folder/python/made-of
    cmp -s "$benchmark/environment.txt" "$made" && return
    say "installing what environment.txt names, once"
    rm -rf "$folder/python"
    python3 -m venv "$folder/python"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$benchmark/environment.txt" >&2
    cp "$benchmark/environment.txt" "$made"
}

# Reads a size such as 200000x384 or 10000000x128:vectors into rows, dim and flags.
read_size() {
    [[ $1 =~ ^([0-9]+)x([0-9]+)(:vectors)?$ ]] || fail "$1: expected ROWSxDIM or ROWSxDIM:vectors, such as 200000x384"
    rows=${BASH_REMATCH[1]} dim=${BASH_REMATCH[2]} flags=(--seed 1)
    [[ -z ${BASH_REMATCH[3]} ]] || flags+=(--vectors-only)
    # A reference has the dimensions that it has.
    if [[ -n ${STRATA_BENCHMARK_REFERENCE:-} && $dim == "${STRATA_BENCHMARK_REFERENCE_DIM:-384}" ]]; then
        flags+=(--reference "$STRATA_BENCHMARK_REFERENCE")
    fi
}

# generate STORE SIZE: makes the corpus unless it is there.
generate() {
    local rows dim flags
    read_size "$2"
    if strata status --store "$1" >/dev/null 2>&1; then
        return
    fi
    say "generating $2 into $1"
    # What an interrupted attempt left is overwritten: the same arguments give the same objects.
    generate-archive --store "$1" --rows "$rows" --dim "$dim" "${flags[@]}" >&2
}

# measure STORE RESULT ARGUMENT...: one reduce under time(1), with the machine's peak before and after it.
measure() {
    local store=$1 result=$2 run=benchmark
    shift 2
    mkdir -p "$result"
    say "$store: reduce-worker $* → $result"
    "$python" "$benchmark/peak.py" >"$result/peak-before.json"
    /usr/bin/time -v -o "$result/time.txt" \
        reduce-worker --store "$store" --run "$run" --force --log-format plain "$@" 2>"$result/log.txt" || {
        tail -n 5 "$result/log.txt" >&2
        fail "$store: the reduce failed; see $result"
    }
    "$python" "$benchmark/peak.py" >"$result/peak-after.json"
    fetch "$store" "runs/$run/measurements.json" >"$result/measurements.json"
    fetch "$store" "runs/$run/run.json" >"$result/run.json"
}

# fetch STORE KEY: prints one object.
fetch() {
    if [[ $1 == s3://* ]]; then
        "$python" "$benchmark/fetch.py" "$1/$2"
    else
        cat "$1/$2"
    fi
}
