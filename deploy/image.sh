#!/usr/bin/env bash
# Turns a checkout into a container image, without a container engine: builds the programs and packs them (image.py).
#
#   bash deploy/image.sh FILE.tar [NAME:TAG]     ONNX Runtime in it, the model from the store (--model s3://…)
#   STRATA_IMAGE_MODEL=DIR bash deploy/image.sh FILE.tar [NAME:TAG]      that model in it, too
#
# Sets the machine up first (setup.sh). `docker load --input FILE.tar`, `podman load`, `ctr images import` and `kind load
# image-archive` read the file; `skopeo copy oci-archive:FILE.tar docker://registry.example.com/strata:0.1.0` pushes it.
# Exit code 2: somebody has to do what the message says.
set -euo pipefail

deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
(($# == 1 || $# == 2)) || {
    echo "image: usage: image.sh FILE.tar [NAME:TAG]" >&2
    exit 2
}
file=$(realpath -m -- "$1")
name=${2:-strata:latest}
# shellcheck source=setup.sh
source "$deploy/setup.sh"
command -v strip >/dev/null || bash "$deploy/packages.sh" binutils
[[ -e /etc/ssl/certs/ca-certificates.crt ]] || bash "$deploy/packages.sh" ca-certificates
[[ -d /usr/share/zoneinfo ]] || bash "$deploy/packages.sh" tzdata
# In a subshell, because cargo and rustup look for their settings where they are called.
(cd "$deploy/.." && cargo build --release --locked --workspace --bins)
exec python3 "$deploy/image.py" --out "$file" --name "$name" --programs "$CARGO_TARGET_DIR/release" \
    --onnxruntime "$ORT_DYLIB_PATH" ${STRATA_IMAGE_MODEL:+--model "$STRATA_IMAGE_MODEL"}
