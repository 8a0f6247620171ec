#!/usr/bin/env bash
# A single-node Kubernetes by kind (https://kind.sigs.k8s.io), as the tests want one; README.md says what each command does.
#
#   kind.sh up | load IMAGE.tar | exec CMD... | address | stop-node | start-node | down
#
# NOT TRIED: written where no container engine runs. Needs docker, kind 0.29 or later, and kubectl.
# STRATA_KIND_NAME names the cluster (strata-tests), STRATA_KIND_IMAGE its node's image (kind's own choice).
set -euo pipefail

name=${STRATA_KIND_NAME:-strata-tests}
node=$name-control-plane
state=${TMPDIR:-/tmp}/$name
kubeconfig=$state/kubeconfig

fail() {
    echo "kind: $*" >&2
    exit 1
}

check_tools() {
    local tool
    for tool in docker kind kubectl; do
        command -v "$tool" >/dev/null || fail "$tool is not installed"
    done
}

up() {
    check_tools
    ! kind get clusters 2>/dev/null | grep -qx "$name" || fail "$name is already up (kind.sh down ends it)"
    mkdir -p "$state"
    kind create cluster --name "$name" --kubeconfig "$kubeconfig" --wait 3m \
        ${STRATA_KIND_IMAGE:+--image "$STRATA_KIND_IMAGE"} >&2
    echo "$kubeconfig"
}

# Pods reach this machine at the gateway of the network that kind's nodes are in.
address() {
    docker network inspect kind --format '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' |
        grep -m 1 '^[0-9]*\.[0-9.]*$' || fail "docker's network kind has no gateway with an IPv4 address"
}

down() {
    kind delete cluster --name "$name" --kubeconfig "$kubeconfig" >&2
    rm -rf "$state"
}

case ${1:-} in
up) up ;;
load)
    [[ -n ${2:-} ]] || fail "load needs an image's archive"
    kind load image-archive "$2" --name "$name" >&2
    ;;
exec)
    shift
    (($# > 0)) || fail "exec needs a command"
    KUBECONFIG=$kubeconfig exec "$@"
    ;;
address) address ;;
stop-node) docker exec "$node" systemctl stop kubelet ;;
start-node)
    docker exec "$node" systemctl start kubelet
    KUBECONFIG=$kubeconfig kubectl wait --for condition=Ready "node/$node" --timeout 2m >&2
    ;;
down) down ;;
*)
    sed -n '2,/^set -euo/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2
    exit 2
    ;;
esac
