#!/usr/bin/env bash
# Turns a checkout into a verdict: format, lints, build and every test.
#
#   bash tests/run.sh [ARGUMENT...]      arguments go to `cargo test`
#
# Sets the machine up (deploy/setup.sh), and gives the tests what they may need and cannot make themselves: a MinIO
# (STRATA_TEST_MINIO), a browser (CHROMEDRIVER), a Python with the libraries of tests/readers.txt (STRATA_TEST_PYTHON),
# real corpora (STRATA_TEST_DATA) and a Kubernetes cluster (STRATA_TEST_CLUSTER, see tests/cluster/README.md) where the
# caller has set them. The first and the third set to nothing mean none. What is
# not run for want of one of these is listed by name at the end: a test that cannot run appends a line to the file
# STRATA_TEST_SKIPPED, "what, for want of which".
# The screen shows failures and sums; the whole output of the tests is kept in $CARGO_TARGET_DIR/test.log.
# Exit code 0 only if everything that was run passed.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Without a terminal to draw its bar on, cargo would print a line for each of some 600 packages.
quiet=()
if [[ ! -t 1 ]]; then
    quiet=(--quiet)
    export NO_COLOR=1 CARGO_TERM_COLOR=never
fi

heading() {
    printf '\n== %s (at %d min %02d s)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60))
}

# want NAME WORD LINE: lists LINE as not run if the variable NAME is not set and no test has said so, which WORD tells.
want() {
    [[ -n ${!1:-} ]] || grep -qi "$2" "$STRATA_TEST_SKIPPED" || echo "$3" >>"$STRATA_TEST_SKIPPED"
}

find_linters() {
    { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 || rustup component add rustfmt clippy
}

find_minio() {
    # Empty where there is none, which tells the tests not to look for one themselves.
    STRATA_TEST_MINIO=$(bash deploy/find-minio.sh) || true
    export STRATA_TEST_MINIO
    echo "MinIO: ${STRATA_TEST_MINIO:-none}"
}

find_browser() {
    if ! { command -v chromium && command -v chromedriver; } >/dev/null; then
        bash deploy/packages.sh chromium chromium-driver || true
    fi
    if CHROMEDRIVER=$(command -v chromedriver) && command -v chromium >/dev/null; then
        export CHROMEDRIVER
        echo "browser: $(chromium --version 2>/dev/null || command -v chromium)"
    else
        unset CHROMEDRIVER
        echo "browser: none"
    fi
}

# make_python FOLDER: an environment of what readers.txt names. Its index is the one that pip is configured for.
make_python() {
    local log=$1.log
    echo "Python: installing what tests/readers.txt names, once"
    rm -rf "$1.partial"
    mkdir -p "$(dirname "$1")"
    {
        python3 -m venv "$1.partial" &&
            timeout 15m "$1.partial/bin/python" -m pip install --disable-pip-version-check -r tests/readers.txt &&
            mv "$1.partial" "$1"
    } >"$log" 2>&1 || {
        tail -n 3 "$log"
        return 1
    }
    rm "$log"
}

find_python() {
    local folder
    if [[ -z ${STRATA_TEST_PYTHON+set} ]] && command -v python3 >/dev/null; then
        folder=${STRATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strata}
        folder+=/python-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        folder+=-$(sha256sum tests/readers.txt | head -c 12)
        [[ -x $folder/bin/python ]] || python3 -c 'import ensurepip' 2>/dev/null ||
            bash deploy/packages.sh python3-venv || true
        [[ -x $folder/bin/python ]] || make_python "$folder" || true
        [[ ! -x $folder/bin/python ]] || export STRATA_TEST_PYTHON=$folder/bin/python
    fi
    echo "Python: ${STRATA_TEST_PYTHON:-none}"
}

# Keeps the lines that somebody would read: what is being run, what failed and why, and the sums.
condense() {
    local dull='test .* \.\.\. (ok|ignored.*)|running [0-9]+ tests?|test result: ok\. 0 passed.*|'
    grep --line-buffered -vE "^($dull)\$" || true
}

run_tests() {
    cargo test --release --workspace --locked --no-fail-fast "$@" 2>&1 | tee "$log" | condense
}

# count WHAT: the sum of the numbers before that word ("passed;") in the results of all test programs.
count() {
    sed -n "s/^test result: .* \([0-9]*\) $1.*/\1/p" "$log" | awk '{ sum += $1 } END { print sum + 0 }'
}

summarise() {
    printf '\n%d tests passed, %d failed, %d ignored, in %d min %02d s\n' "$(count passed)" "$(count failed)" \
        "$(count ignored)" $((SECONDS / 60)) $((SECONDS % 60))
    want STRATA_TEST_MINIO minio "stores on a real MinIO, for want of one; an in-process S3 server took its place"
    want CHROMEDRIVER chrom "the page in a browser, for want of chromium and chromedriver"
    want STRATA_TEST_CLUSTER "on a cluster" "the pipeline on a cluster, for want of a program named by STRATA_TEST_CLUSTER"
    want STRATA_TEST_DATA STRATA_TEST_DATA "real corpora, for want of a folder named by STRATA_TEST_DATA"
    if [[ -s $STRATA_TEST_SKIPPED ]]; then
        sort -u "$STRATA_TEST_SKIPPED" | sed 's/^/not run: /'
    else
        echo "everything was run"
    fi
}

heading "set-up"
# shellcheck source=../deploy/setup.sh
source deploy/setup.sh
mkdir -p "$CARGO_TARGET_DIR"
log=$CARGO_TARGET_DIR/test.log
STRATA_TEST_SKIPPED=$(mktemp)
export STRATA_TEST_SKIPPED
trap 'rm -f "$STRATA_TEST_SKIPPED"' EXIT
find_linters
find_minio
find_browser
find_python

echo "cluster: ${STRATA_TEST_CLUSTER:-none}"

heading "format"
cargo fmt --all --check
heading "lints"
cargo clippy --release --workspace --all-targets --locked "${quiet[@]}" -- -D warnings
heading "build"
cargo build --release --workspace --all-targets --locked "${quiet[@]}"
heading "tests"
verdict=0
run_tests "$@" || verdict=$?
summarise
exit "$verdict"
