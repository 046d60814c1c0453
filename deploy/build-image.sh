#!/usr/bin/env bash
# Builds the image with buildah, without a daemon and without a container runtime, as root or not:
#   deploy/build-image.sh [name:tag]        (default: threadplane:latest)
# It needs buildah (Debian: `apt install buildah`), and the base image node:24-slim: from a registry, or local already.
# It cuts nothing that Docker would do: `docker build --tag threadplane .` makes the same image.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v buildah >/dev/null || {
  echo 'buildah is not installed: apt install buildah' >&2
  exit 1
}
# vfs and chroot need no mounts and no namespaces, so they work inside of another container too. Docker's format keeps the
# health check, which the OCI format has not. Layers are kept, so that only what has changed is built again.
exec buildah --storage-driver vfs build --isolation chroot --pull=missing --format docker --layers \
  --tag "${1:-threadplane:latest}" .
