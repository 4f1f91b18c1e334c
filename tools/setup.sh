#!/usr/bin/env bash
# Sets up what a fresh Debian or Ubuntu lacks.   tools/setup.sh run|dev|browser|pictures|services|containers|bench VENV
# Root is asked for system packages only, and only when one is missing; each is named.
set -euo pipefail
what=$1
venv=$2

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        echo "This needs root for system packages: $*" >&2
        sudo "$@"
    else
        echo "Please run this as root, then try again: $*" >&2
        exit 1
    fi
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        echo "Please install these with your system's package manager, then try again: $*" >&2
        exit 1
    fi
    echo "Installing system packages: $*" >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

known() { # $1: a package that not every release has
    command -v apt-cache >/dev/null && [ -n "$(apt-cache show "$1" 2>/dev/null)" ]
}

find_python() {
    local name
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            command -v "$name"
            return
        fi
    done
    echo "Traceback Tutor needs Python 3.11 or newer, and none was found. Install python3.11 or set PYTHON to its path." >&2
    exit 1
}

make_venv() {
    [ -x "$venv/bin/pip" ] && return
    local python version
    python=$(find_python)
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
        install_packages "python$version-venv"
    fi
    "$python" -m venv "$venv"
}

install_tutor() { # $1: the extras, as in ".[dev]"
    make_venv
    # One resolution under the pins: torch is named in constraints.txt, so that no other package
    # can pull in a different build of it.
    "$venv/bin/pip" install --quiet --disable-pip-version-check -c constraints.txt -e "$1"
}

case $what in
run)
    install_tutor .
    touch "$venv/run.ready"
    ;;
dev)
    install_tutor '.[dev]'
    touch "$venv/run.ready" "$venv/dev.ready"
    ;;
browser)
    # The tests of the page drive a real browser.
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || install_packages chromium
    ;;
pictures)
    # What people read on a screenshot needs letters: Japanese, Chinese, emoji.
    missing=()
    for name in chromium fonts-noto-cjk fonts-noto-color-emoji; do
        dpkg -s "$name" >/dev/null 2>&1 || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
    ;;
services)
    # The tests start a PostgreSQL and a Redis of their own; Debian puts initdb beside the path.
    missing=()
    command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
    command -v redis-server >/dev/null || missing+=(redis-server)
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
    ;;
containers)
    # The tests bring the containers up; they start the engine themselves where none runs.
    missing=()
    command -v dockerd >/dev/null || docker version >/dev/null 2>&1 || missing+=(docker.io)
    # Later releases part the client from the engine.
    if ! command -v docker >/dev/null && known docker-cli; then missing+=(docker-cli); fi
    command -v debootstrap >/dev/null || missing+=(debootstrap)
    if ! docker compose version >/dev/null 2>&1 && ! command -v docker-compose >/dev/null; then
        if known docker-compose-v2; then missing+=(docker-compose-v2); else missing+=(docker-compose); fi
    fi
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
    ;;
bench)
    # What the sandbox is compared with; without it the bench says so and goes on.
    command -v bwrap >/dev/null || (install_packages bubblewrap) || true
    ;;
*)
    echo "usage: tools/setup.sh run|dev|browser|pictures|services|containers|bench VENV" >&2
    exit 2
    ;;
esac
