"""What a worker's container may do, and what a snippet in it may not."""

from __future__ import annotations

import json
import subprocess

import pytest
from engine import ROOT, UID, Compose, Images, docker

_RIGHTS = """
import json, os, socket
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
def attempt(function):
    try:
        function()
    except OSError as problem:
        return problem.strerror or type(problem).__name__
    return "done"
print(json.dumps({
    "uid": os.getuid(),
    "capabilities": [status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")],
    "no_new_privs": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "root": attempt(lambda: open("/opt/traceback-tutor/new", "w")),
    "outside": attempt(lambda: socket.create_connection(("192.0.2.1", 80), timeout=5)),
    "secrets": sorted(os.listdir("/run/secrets")),
    "pids": open("/sys/fs/cgroup/pids/pids.max" if os.path.exists("/sys/fs/cgroup/pids")
        else "/sys/fs/cgroup/pids.max").read().strip(),
}))
"""
_STEAL = """
import os, socket
for path in ("/run/secrets/worker_password", "/proc/1/environ", "/proc/1/root/run/secrets"):
    try:
        open(path).read()
        print("READ", path)
    except OSError as problem:
        print("denied", path, type(problem).__name__)
try:
    socket.create_connection((os.environ.get("QUEUE", "redis"), 6379), timeout=3)
    print("REACHED the queue")
except OSError as problem:
    print("denied the queue", type(problem).__name__)
print([value for value in os.environ.values() if "redis" in value])
"""


def in_worker(compose: Compose, *words: str, entrypoint: str | None = None) -> str:
    """What a command prints in a worker's container that has no queue."""
    entry = ["--entrypoint", entrypoint] if entrypoint else []
    return compose(
        "run", "--rm", "--no-deps", "-T", "-e", "TUTOR_BROKER=", *entry, "worker", *words
    )


def sandbox_of(doctor: str) -> dict[str, object]:
    """The doctor's finding about the sandbox."""
    checks = json.loads(doctor[doctor.index("{") :])
    return dict(checks["sandbox"])


def test_a_workers_container_has_no_right_at_all(compose: Compose) -> None:
    rights = json.loads(in_worker(compose, "-c", _RIGHTS, entrypoint="python").splitlines()[-1])

    assert rights["uid"] == UID
    assert set(rights["capabilities"]) == {"0" * 16}
    assert rights["no_new_privs"] == "1"
    assert rights["seccomp"] == "2"
    assert rights["root"] == "Read-only file system"
    assert rights["outside"] in ("Network is unreachable", "TimeoutError")
    assert rights["secrets"] == ["worker_password"]
    assert int(rights["pids"]) <= 1024


def test_a_cell_reaches_the_strongest_tier_in_a_container_without_rights(compose: Compose) -> None:
    found = sandbox_of(in_worker(compose, "doctor", "--json"))

    assert found["ok"], found
    assert str(found["finding"]).startswith("tier strong: own namespaces, read-only view, Landlock")


def test_a_stock_container_gives_the_floor_and_says_what_strong_lacks(images: Images) -> None:
    found = sandbox_of(
        docker(
            *("run", "--rm", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
            *("--network=none", "--env=TUTOR_MINIMUM_TIER=floor", images.tutor, "doctor", "--json"),
        )
    )

    assert found["ok"], found
    assert str(found["finding"]).startswith("tier floor: Landlock")
    assert "tier strong: [Errno 1] unshare" in str(found["finding"])


def test_a_stock_container_serves_nobody_unless_the_floor_is_asked_for(images: Images) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--interactive", "--network=none", images.tutor, "run", "-"],
        input="print('served')",
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "cannot reach tier strong" in " ".join(done.stderr.split())
    assert "served" not in done.stdout


@pytest.mark.parametrize("tier", ["strong", "floor"])
def test_a_snippet_gets_neither_the_queues_password_nor_the_queue(
    compose: Compose, images: Images, tier: str
) -> None:
    compose("up", "--detach", "redis")
    walls = ["--security-opt", f"seccomp={ROOT / 'sandbox' / 'seccomp-container.json'}"]
    if tier == "strong":
        walls += ["--security-opt", "systempaths=unconfined"]
    secret = compose.secrets / "worker_password"
    done = subprocess.run(
        [
            *("docker", "run", "--rm", "--interactive", "--cap-drop=ALL", *walls),
            *("--security-opt=no-new-privileges", f"--network={compose.name}_inside"),
            *(f"--volume={secret}:/run/secrets/worker_password:ro",),
            *(f"--env=TUTOR_MINIMUM_TIER={tier}", images.tutor, "run", "-", "--json"),
        ],
        input=_STEAL.replace('redis")', f'{compose.address("redis", "inside")}")'),
        capture_output=True,
        text=True,
    )
    answer = json.loads(done.stdout)

    assert answer["tier"] == tier
    said = answer["stdout"].splitlines()
    assert len(said) == 5, said
    assert all(line.startswith("denied") for line in said[:4]), said
    assert said[4] == "[]"


def test_the_profile_lets_through_no_call_that_a_cell_does_not_need() -> None:
    profile = json.loads((ROOT / "sandbox" / "seccomp-container.json").read_text("utf-8"))
    let = {
        name
        for group in profile["syscalls"]
        if group["action"] == "SCMP_ACT_ALLOW"
        for name in group["names"]
    }

    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert let.isdisjoint(
        {"bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "ptrace"}
        | {"process_vm_readv", "process_vm_writev", "io_uring_setup", "io_uring_enter"}
        | {"kexec_load", "init_module", "finit_module", "delete_module", "reboot", "swapon"}
        | {"setns", "open_by_handle_at", "clone3", "fsopen", "move_mount", "clock_settime"}
    )
    assert {"unshare", "mount", "pivot_root", "chroot", "landlock_restrict_self"} <= let
