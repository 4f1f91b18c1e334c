#!/usr/bin/env bash
# Fetches every package that the image needs into a folder, for builds that reach no registry.
#
#   tools/wheelhouse.sh [FOLDER] [PACKAGE…]           default: wheelhouse
#   docker compose build                              takes wheelhouse/ when it is there
#
# PYTHON_VERSION names the base image's Python (as in 3.12) where it is not that of .venv. pip judges
# conditions like `python_version < "3.12"` by its own Python: name what is missing then as PACKAGE.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-wheelhouse}
python=${PYTHON:-.venv/bin/python}
[ $# -eq 0 ] || shift

command -v "$python" >/dev/null || {
    echo "There is no $python. Run \`make run\` once, or set PYTHON to a Python with pip." >&2
    exit 1
}
version=${PYTHON_VERSION:-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
mapfile -t names < <("$python" - <<'PYTHON'
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
print(*project["build-system"]["requires"], *project["project"]["dependencies"], sep="\n")
PYTHON
)
mkdir -p "$folder"
"$python" -m pip download --quiet --disable-pip-version-check --only-binary=:all: \
    --python-version "$version" --dest "$folder" -c constraints.txt "${names[@]}" "$@"
echo "$folder: $(find "$folder" -name '*.whl' | wc -l) wheels"
