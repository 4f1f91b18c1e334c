#!/usr/bin/env bash
# Makes a base image of Debian's own packages, for servers that cannot pull images. Needs root.
#
#   tools/base_image.sh [IMAGE]                       default: tutor-base:bookworm
#   BASE_IMAGE=tutor-base:bookworm docker compose build
set -euo pipefail
image=${1:-tutor-base:bookworm}
suite=${DEBIAN_SUITE:-bookworm}
packages=ca-certificates,python3,python3-venv

for program in debootstrap docker; do
    command -v "$program" >/dev/null || {
        echo "This needs $program. On Debian: apt-get install debootstrap docker.io" >&2
        exit 1
    }
done
[ "$(id -u)" -eq 0 ] || {
    echo "debootstrap needs root. Please run this as root." >&2
    exit 1
}

folder=$(mktemp -d)
trap 'rm -rf --one-file-system "$folder"' EXIT
log=$folder/log
debootstrap --variant=minbase --include="$packages" "$suite" "$folder/root" >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    exit 1
}
rm -rf "$folder"/root/var/cache/apt/archives/*.deb "$folder"/root/var/lib/apt/lists/* \
    "$folder"/root/usr/share/doc/* "$folder"/root/usr/share/locale/*
tar --directory "$folder/root" --create --numeric-owner . |
    docker import --change 'CMD ["bash"]' - "$image" >/dev/null
echo "$image"
