#!/usr/bin/env bash
# Turns a list of Debian packages into installed packages: `packages.sh NAME...`.
#
# Installs with apt-get as root or through a sudo that asks for no password; otherwise prints the one line to type and
# exits 2. Whether a package is needed at all is the caller's question. Says everything on stderr.
set -euo pipefail

refuse() {
    echo "packages: $1" >&2
    exit 2
}

# Another apt may be at work, as the daily updates of a fresh machine are: it is waited for.
apt() {
    local command=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 "$@")
    [[ $EUID -eq 0 ]] || command=(sudo -n "${command[@]}")
    "${command[@]}"
}

(($# > 0)) || refuse "usage: packages.sh NAME..."
install=(install -y --no-install-recommends "$@")
command -v apt-get >/dev/null || refuse "no apt-get here; install by other means what Debian calls: $*"
if [[ $EUID -ne 0 ]] && ! sudo -n true 2>/dev/null; then
    refuse "missing packages; type this, then run the same command again:
sudo apt-get update && sudo apt-get ${install[*]}"
fi

echo "packages: installing $*" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Other updates hold their lock for a while, on fresh machines above all, and apt does not wait for this one. A stale list
# of packages may still hold what is asked for, so that an update that fails is not yet the end.
for _ in {1..60}; do
    if apt update -q >"$log" 2>&1 || ! grep -q "Could not get lock" "$log"; then
        break
    fi
    sleep 5
done
apt "${install[@]}" >>"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    refuse "could not be installed: $*"
}
