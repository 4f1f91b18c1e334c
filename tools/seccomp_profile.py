"""Prints sandbox/seccomp-container.json: the container engine's own profile, fitted to the workers.

    python tools/seccomp_profile.py > sandbox/seccomp-container.json

The engine applies its built-in profile to a container without capabilities, and the result is read
from what it hands to its runtime; so it needs root, and a started Docker with an image to run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

_RUN: Final = Path("/run")
ARCHITECTURES: Final = ("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64")

ADDED: Final = {
    "Tier strong: a cell is made of namespaces of its own, with a root of its own.": (
        "chroot",
        "clone",
        "sethostname",
        "unshare",
    ),
    "Tier strong: a cell sees a read-only view of the system, built of mounts and pivoted into. "
    "Without a capability these work in a user namespace of the caller's own only.": (
        "mount",
        "mount_setattr",
        "pivot_root",
        "umount2",
    ),
    "Both tiers: Landlock and pidfds, which engines before 23 may lack.": (
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "pidfd_open",
        "pidfd_send_signal",
    ),
}
REMOVED: Final = {
    "no worker traces processes or reads their memory": (
        "kcmp",
        "process_vm_readv",
        "process_vm_writev",
        "ptrace",
    ),
    "nothing here uses io_uring, which goes around filters like this one": (
        "io_uring_enter",
        "io_uring_register",
        "io_uring_setup",
    ),
    "no worker has other people's keys or handles": (
        "name_to_handle_at",
        "memfd_secret",
    ),
    "32-bit programs only": ("modify_ldt",),
}


def engine_profile(image: str) -> list[dict[str, Any]]:
    """The engine's own groups of calls for a container of `image` without capabilities."""
    start = ["docker", "run", "--detach", "--cap-drop", "ALL", image, "sleep", "60"]
    container = subprocess.check_output(start, text=True).strip()
    try:
        bundle = next(_RUN.glob(f"**/{container}/config.json"))
        found: list[dict[str, Any]] = json.loads(bundle.read_text("utf-8"))["linux"]["seccomp"][
            "syscalls"
        ]
        return found
    finally:
        subprocess.run(["docker", "rm", "--force", container], stdout=subprocess.DEVNULL)  # noqa: S607


def fitted(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The profile: `groups` without what is removed, and with what is added."""
    gone = {name for names in REMOVED.values() for name in names}
    new = {name for names in ADDED.values() for name in names}
    kept = []
    for group in groups:
        names = sorted(set(group["names"]) - gone - new)
        if names:
            kept.append({**group, "names": names})
    added = [
        {"comment": why, "names": sorted(names), "action": "SCMP_ACT_ALLOW"}
        for why, names in ADDED.items()
    ]
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "archMap": [{"architecture": name, "subArchitectures": []} for name in ARCHITECTURES],
        "syscalls": [*added, *kept],
    }


def main() -> None:
    """Print the profile, made with the image that is named on the command line."""
    image = sys.argv[1] if len(sys.argv) > 1 else "tutor-base:bookworm"
    print(json.dumps(fitted(engine_profile(image)), indent=1))


if __name__ == "__main__":
    main()
