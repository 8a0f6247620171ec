#!/usr/bin/env bash
# Turns this machine into its own S3: a MinIO on loopback with one bucket, for trying strata against an object store.
#
#   eval "$(bash deploy/minio.sh start)"     starts it, or finds it running, and sets the AWS_* variables
#   strata run papers.jsonl --store s3://strata/papers --model "$STRATA_MODEL"
#   bash deploy/minio.sh stop                stops it; the data stays
#
# Everything lies in ${STRATA_MINIO_DIR:-~/.cache/strata/minio}: the data, the log, and credentials made at random on the
# first start, readable by their owner alone. The port is ${STRATA_MINIO_PORT:-9000}, the bucket
# ${STRATA_MINIO_BUCKET:-strata}.
set -euo pipefail

deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=$(realpath -m -- "${STRATA_MINIO_DIR:-${STRATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strata}/minio}")
address=127.0.0.1:${STRATA_MINIO_PORT:-9000}
bucket=${STRATA_MINIO_BUCKET:-strata}
# Both are read from the folder by `load_credentials`.
user=
password=

fail() {
    echo "minio: $1" >&2
    exit "${2:-2}"
}

random_word() {
    head -c 15 /dev/urandom | base64 | tr '+/' 'xy'
}

load_credentials() {
    [[ -e $home/credentials ]] || printf 'user=%s\npassword=%s\n' strata "$(random_word)" >"$home/credentials"
    # shellcheck source=/dev/null
    source "$home/credentials"
}

# One start or stop at a time. What is launched must not keep the lock: it closes this descriptor.
lock_home() {
    mkdir -p "$home"
    exec 9>>"$home/lock"
    flock 9
}

# The number in the file may be another program's by now, after a reboot at the latest.
running() {
    local arguments
    [[ -e $home/pid ]] || return 1
    arguments=$({ tr '\0' ' ' <"/proc/$(<"$home/pid")/cmdline"; } 2>/dev/null) || return 1
    [[ $arguments == *" server "*" $home/data " ]]
}

answers() {
    (exec 3<>"/dev/tcp/${address%:*}/${address#*:}") 2>/dev/null
}

launch() {
    local binary
    binary=$(bash "$deploy/find-minio.sh")
    ! answers || fail "$address is taken by another program; set STRATA_MINIO_PORT"
    MINIO_ROOT_USER=$user MINIO_ROOT_PASSWORD=$password MINIO_BROWSER=off \
        setsid "$binary" server --quiet --address "$address" "$home/data" </dev/null >"$home/log" 2>&1 9>&- &
    echo $! >"$home/pid"
}

await() {
    local attempt
    for ((attempt = 0; attempt < 150; attempt++)); do
        kill -0 "$(<"$home/pid")" 2>/dev/null || fail "ended at once; see $home/log"
        ! answers || return 0
        sleep 0.2
    done
    fail "does not answer on $address; see $home/log" 1
}

start() {
    umask 077
    lock_home
    # A folder in its data is a bucket to MinIO.
    mkdir -p "$home/data/$bucket"
    load_credentials
    running || launch
    await
    printf 'export %s=%q\n' AWS_ENDPOINT_URL "http://$address" AWS_REGION us-east-1 \
        AWS_ACCESS_KEY_ID "$user" AWS_SECRET_ACCESS_KEY "$password"
    echo "minio: serves s3://$bucket at http://$address" >&2
}

stop() {
    lock_home
    if ! running; then
        echo "minio: is not running" >&2
        return
    fi
    kill "$(<"$home/pid")"
    # Its port is free only once it has ended.
    while running; do
        sleep 0.1
    done
    rm "$home/pid"
}

case ${1:-} in
start) start ;;
stop) stop ;;
*) fail "usage: minio.sh start|stop" ;;
esac
