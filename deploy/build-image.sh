#!/usr/bin/env bash
# Builds the image with buildah, without a daemon and without a container runtime, as root or not:
#   deploy/build-image.sh [name:tag]        (default: threadplane:latest)
# It needs buildah (Debian: `apt install buildah`), and the base image node:24-slim: from a registry, or local already.
# `docker build --tag threadplane .` makes the same image.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v buildah >/dev/null || {
  echo 'buildah is not installed: apt install buildah' >&2
  exit 1
}
# vfs and chroot need no mounts and no namespaces, so they work inside of another container too. With vfs each layer is a
# whole copy, so none is kept between steps; with STORAGE_DRIVER=overlay the layers are kept, and the next build installs
# nothing again. Docker's format keeps the health check, which the OCI format has not.
driver=${STORAGE_DRIVER:-vfs}
layers=true
[[ $driver != vfs ]] || layers=false
exec buildah --storage-driver "$driver" build --layers="$layers" --isolation chroot --pull=missing --format docker \
  --tag "${1:-threadplane:latest}" .
