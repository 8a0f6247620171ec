#!/usr/bin/env bash
# Turns a corpus into findings, from nothing but a Rust toolchain.
#
#   bash deploy/demo.sh                            a generated corpus with planted truths, and which were found
#   bash deploy/demo.sh FILE...                    the same for your own corpus (JSONL, plain, .gz or .zst; Parquet)
#   bash deploy/demo.sh [FILE...] -- FLAG...       with more flags for `strata run`
#
# Sets the machine up (setup.sh), builds, runs, and leaves everything in ${STRATA_DEMO_DIR:-./strata-demo}. What is
# already there is not done again: the same command a second time goes on where the first one was stopped, or only prints
# its findings.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# The size and the seed of the generated corpus.
num_documents=3000
seed=1

say() {
    printf '\n== %s\n' "$*" >&2
}

fail() {
    echo "demo: $*" >&2
    exit 2
}

# Every input must be there before anything is fetched or built for it.
read_arguments() {
    inputs=()
    while (($# > 0)) && [[ $1 != -- ]]; do
        if [[ $1 == -h || $1 == --help ]]; then
            sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
            exit 0
        fi
        [[ $1 != -* ]] || fail "$1: flags for strata run come after --"
        [[ -f $1 && -r $1 ]] || fail "$1: no such file, or not a readable one"
        inputs+=("$(realpath "$1")")
        shift
    done
    flags=("${@:2}")
}

build() {
    say "building (15 minutes on two idle cores the first time)"
    # In a subshell, because cargo and rustup look for their settings where they are called.
    (cd "$repository" && cargo build --release --locked --workspace --bins)
    PATH=$CARGO_TARGET_DIR/release:$PATH
}

# A folder of its own for each set of inputs, since a store holds one corpus. It keeps itself out of a git checkout.
open_folder() {
    local root=${STRATA_DEMO_DIR:-$PWD/strata-demo} name=generated
    if ((${#inputs[@]} > 0)); then
        name=$(basename "${inputs[0]}")
        name=${name%%.*}-$(printf '%s\n' "${inputs[@]}" | sha256sum | head -c 8)
    fi
    mkdir -p "$root/$name"
    folder=$(realpath "$root/$name")
    [[ -e $root/.gitignore ]] || echo '*' >"$root/.gitignore"
}

generate() {
    inputs=("$folder/corpus.jsonl")
    truth=$folder/truth.json
    [[ ! -e ${inputs[0]} ]] || return 0
    say "generating $num_documents documents"
    generate-corpus --documents "$num_documents" --seed "$seed" --truth "$truth" "${inputs[0]}.partial"
    mv "${inputs[0]}.partial" "${inputs[0]}"
}

analyse() {
    say "strata run ${inputs[*]}"
    strata run "${inputs[@]}" --store "$folder/store" --model "$STRATA_MODEL" "${flags[@]}"
    # Its tables were just printed.
    strata report --store "$folder/store" --html "$folder/report.html" >/dev/null
}

# Programs that were interrupted have tidied up by the time this is run.
trap 'exit 130' INT
read_arguments "$@"
# shellcheck source=setup.sh
source "$repository/deploy/setup.sh"
build
SECONDS=0
open_folder
truth=
((${#inputs[@]} > 0)) || generate
analyse
if [[ -n $truth ]]; then
    say "planted, and found"
    compare-truth --truth "$truth" --store "$folder/store"
fi
say "the programs are in $CARGO_TARGET_DIR/release"
say "all of it, to open in a browser: $folder/report.html ($SECONDS seconds since the build)"
