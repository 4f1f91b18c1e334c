"""Prints constraints.txt: the version of every package that the tutor or its tests need."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution

HEADER = """\
# The one place for versions. Written by `make pins` from a working environment: pyproject.toml
# names packages, this file pins them and everything that they bring along.
"""


def name_of(requirement: str) -> str:
    """The normalised project name at the start of a requirement line."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    if found is None:
        raise ValueError(f"not a requirement: {requirement!r}")
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def needed(root: str) -> dict[str, str]:
    """Package name -> version of all that `root` needs, as far as installed; `root` left out."""
    found: dict[str, str] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # a requirement of another platform or of an extra that nobody asked for
        if name in found:
            continue
        # The public version: a build tag such as +cpu is the choice of the machine, not of the pin.
        found[name] = package.version.split("+")[0]
        waiting += [name_of(line) for line in package.requires or ()]
    del found[root]
    return found


if __name__ == "__main__":
    print(HEADER, end="")
    for name, version in sorted(needed("traceback-tutor").items()):
        print(f"{name}=={version}")
