#!/usr/bin/env bash
# Turns whatever is at hand into a MinIO server: prints the path of the binary.
#
# Looks at STRATA_TEST_MINIO (set and empty, none is wanted), then for `minio` on PATH, then in the cache that setup.sh fills; where Go is present,
# builds one into that cache (5 minutes on two cores, once). Without any of these it says so and exits 2.
set -euo pipefail

# MinIO's repository is archived; this is the commit that `@latest` last came to.
version=v0.0.0-20260212201848-7aac2a2c5b7c
cache=$(realpath -m -- "${STRATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strata}")
built=$cache/bin/minio

fail() {
    echo "minio: $*" >&2
    exit 2
}

build() {
    mkdir -p "$cache/bin"
    exec {lock}>>"$cache/minio.lock"
    flock "$lock"
    [[ ! -x $built ]] || return 0
    echo "minio: building $version, once; this takes 5 minutes or more" >&2
    local log=$cache/minio-build.log
    GOBIN=$cache/bin/building timeout --foreground 30m go install "github.com/minio/minio@$version" >"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        fail "could not be built; the whole output is in $log"
    }
    mv "$cache/bin/building/minio" "$built"
    rm -r "$cache/bin/building" "$log"
}

if [[ ${STRATA_TEST_MINIO+set} ]]; then
    [[ -n $STRATA_TEST_MINIO ]] || fail "STRATA_TEST_MINIO is set and empty: none is wanted"
    [[ -x $STRATA_TEST_MINIO ]] || fail "STRATA_TEST_MINIO=$STRATA_TEST_MINIO is not a program"
    echo "$STRATA_TEST_MINIO"
elif command -v minio; then
    :
elif [[ -x $built ]]; then
    echo "$built"
elif command -v go >/dev/null; then
    build
    echo "$built"
else
    fail "neither STRATA_TEST_MINIO nor minio nor go found; name a binary with STRATA_TEST_MINIO, or install Go"
fi
