"""Attacks on the kernel, and on the walls that it keeps up."""

from __future__ import annotations

import time

import pytest
from attacker import Target, attack, host_paths, says

from sandbox import kernel
from sandbox.protocol import Status
from sandbox.seccomp import numbers, policy

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("D")]

_X86 = pytest.mark.skipif(kernel.MACHINE != "x86_64", reason="an attack on x86-64")
_HIGHEST_NUMBER = 600
"""No processor family has a system call with a number beyond it yet."""
_PROBES = {335, 336} if kernel.MACHINE == "x86_64" else set()
"""uretprobe and uprobe pass by every filter (Linux 6.14); the kernel kills who calls them."""


async def test_every_system_call_that_is_not_allowed_is_denied(any_tier: Target) -> None:
    table = numbers(kernel.MACHINE)
    absent = {table[name] for group in policy().not_implemented for name in group.names}
    groups = [group for group in policy().allowed if any_tier.tier in group.tiers]
    allowed = {table[name] for group in groups for name in group.names if name in table}
    tried = sorted(set(range(_HIGHEST_NUMBER)) - _PROBES - allowed - absent)
    code = f"print({{number: call(number, *[0] * 6) for number in {tried}}})"
    (line,) = await says(any_tier, code)
    assert line == str(dict.fromkeys(tried, "EPERM"))
    on_purpose = {name for group in policy().denied_on_purpose for name in group.names}
    assert {table[name] for name in on_purpose & set(table)} <= set(tried)


async def test_raw_machine_code_meets_the_same_policy(any_tier: Target) -> None:
    if kernel.MACHINE != "x86_64":
        pytest.skip("machine code of x86-64")
    code = """
        import mmap
        # mov eax, esi; xor edi, edi; syscall; ret    with the number as the second argument
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(bytes.fromhex("89f031ff0f05c3"))
        at = ctypes.addressof(ctypes.c_char.from_buffer(page))
        raw = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long)(at)
        print(raw(0, NUMBER["unshare"]), raw(0, NUMBER["keyctl"]), raw(0, NUMBER["getpid"]) > 0)
    """
    assert await says(any_tier, code) == ["-1 -1 True"]


@pytest.mark.outcome("K")
@_X86
@pytest.mark.parametrize("way", ["int 0x80", "x32"])
async def test_a_foreign_architecture_is_killed(any_tier: Target, way: str) -> None:
    code = {
        "int 0x80": """
            import mmap
            # mov eax, 20 (getpid of i386); int 0x80; ret
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            page.write(bytes.fromhex("b814000000cd80c3"))
            ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
            print("alive")
        """,
        "x32": 'print(call(0x40000000 + NUMBER["getpid"]))',
    }[way]
    result = await attack(any_tier, code)
    assert (result.status, result.signal, result.stdout) == (Status.SIGNAL, 31, ""), result


# --- The walls stay where they are ----------------------------------------------------------------


async def test_namespaces_cannot_be_left(any_tier: Target) -> None:
    code = """
        def spaces():
            names = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time")
            return [os.stat(f"/proc/self/ns/{name}").st_ino for name in names]
        before = spaces()
        for flag in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000,
                     0x40000000):
            assert call(NUMBER["unshare"], flag) == "EPERM", flag
        print(before == spaces())
    """
    assert await says(any_tier, code) == ["True"]


async def test_other_namespaces_cannot_be_entered(any_tier: Target) -> None:
    code = """
        before = os.stat("/proc/self/ns/net").st_ino
        for place in ("/proc/1/ns/net", "/proc/self/ns/user", "/proc/self/ns/mnt"):
            fd = attempt(os.open, place, os.O_RDONLY)
            if isinstance(fd, int):
                assert call(NUMBER["setns"], fd, 0) == "EPERM"
        print(before == os.stat("/proc/self/ns/net").st_ino)
    """
    assert await says(any_tier, code) == ["True"]


async def test_a_process_in_new_namespaces_cannot_be_made(any_tier: Target) -> None:
    code = """
        for flag in (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x02000000, 0x0C000000):
            answer = call(NUMBER["clone"], flag | 17, 0, 0, 0, 0)
            if answer == 0:
                os._exit(0)
            assert answer == "EPERM", answer
        # clone3, whose flags a filter cannot see: told that it does not exist.
        arguments = struct.pack("QQQQQQQQ", 0x10000000, 0, 0, 0, 17, 0, 0, 0)
        answer = call(NUMBER["clone3"], arguments, len(arguments))
        if answer == 0:
            os._exit(0)
        print(answer)
    """
    assert await says(any_tier, code) == ["ENOSYS"]


async def test_mounts_cannot_be_changed(any_tier: Target) -> None:
    code = """
        import tempfile
        here = os.getcwd().encode()
        open("marker", "w").close()
        for place in (here, b"/", b"/tmp", b"/proc", b"/opt", b"/dev/shm", b"/usr"):
            assert libc.mount(b"none", place, b"tmpfs", 0, None) == -1
            assert libc.mount(None, place, None, 32 | 4096, None) == -1
            assert libc.mount(b"/", place, None, 4096 | 16384, None) == -1
            assert libc.umount2(place, 2) == -1
        print(os.listdir("."), attempt(lambda: open("/usr/lib/left", "w")) in ("EROFS", "EACCES"))
    """
    assert await says(any_tier, code) == ["['marker'] True"]


async def test_mounts_cannot_be_made_by_the_new_calls_either(any_tier: Target) -> None:
    code = """
        before = len(os.listdir("/proc/self/fd")) if os.access("/proc/self/fd", os.R_OK) else 0
        print(call(NUMBER["fsopen"], b"tmpfs", 0), call(NUMBER["open_tree"], -100, b"/", 1),
              call(NUMBER["move_mount"], -100, b"/usr", -100, b"/tmp", 0),
              call(NUMBER["mount_setattr"], -100, b"/", 0, bytes(32), 32))
    """
    assert await says(any_tier, code) == ["EPERM EPERM EPERM EPERM"]


async def test_the_root_cannot_be_changed(any_tier: Target) -> None:
    code = """
        before = os.stat("/").st_ino, os.stat("/").st_dev
        print(attempt(os.chroot, "."), call(NUMBER["pivot_root"], b".", b"."),
              call(NUMBER["pivot_root"], b"/", b"/"))
        print(before == (os.stat("/").st_ino, os.stat("/").st_dev))
    """
    assert await says(any_tier, code) == ["EPERM EPERM EPERM", "True"]


async def test_no_path_leads_out_of_the_view(strong: Target) -> None:
    code = """
        os.chdir("/")
        up = attempt(os.listdir, "../" * 200)
        outer = [attempt(os.listdir, place) for place in
                 ("/proc/1/root", "/proc/1/cwd", "/proc/self/root/..", "/proc/self/root/../..")]
        top = os.open("/", os.O_PATH)
        print(sorted(up) == sorted(os.listdir("/")), "host" in str(outer),
              sorted(os.listdir("/")))
        print({str(o) for o in outer[:2]} <= {"EACCES", "EPERM", "ENOENT"})
        # openat2 with RESOLVE_IN_ROOT and ..
        print(attempt(os.open, "../../etc/shadow", os.O_RDONLY))
    """
    first, second, third = await says(strong, code)
    assert first.startswith("True False ")
    assert not {"'root'", "'home'", "'var'", "'oldroot'", "'work'", "'boot'"} & set(
        first.replace("]", "").replace("[", "").replace(",", "").split()
    )
    assert (second, third) == ("True", "ENOENT")


async def test_the_list_of_mounts_tells_nothing_of_the_host(strong: Target) -> None:
    code = """
        import threading
        for who in ("self", "thread-self", "1", str(os.getppid()), f"self/task/{os.getpid()}"):
            for name in ("mountinfo", "mounts", "mountstats", "cgroup", "maps", "cmdline"):
                try:
                    print(who, name, open(f"/proc/{who}/{name}").read())
                except OSError:
                    pass
    """
    told = "\n".join(await says(strong, code))
    assert "mountinfo" in told
    for path in [*host_paths(), "ext4", "/dev/vd", "/dev/sd", "overlay"]:
        assert path not in told, path


async def test_landlock_is_not_passed_by_links(any_tier: Target) -> None:
    code = """
        import torch
        denied = {"EXDEV", "EACCES", "EPERM", "EROFS", "ENOENT"}
        for outside in ("/etc/passwd", torch.__file__, "/usr/lib/os-release", "/proc/self/status"):
            assert attempt(os.link, outside, "linked") in denied, outside
            assert attempt(os.rename, outside, "moved") in denied, outside
            assert attempt(os.rename, "/usr/lib", "moved") in denied
        open("mine", "w").close()
        for outside in (os.path.dirname(torch.__file__), "/usr/lib", "/etc", "/", "/dev"):
            assert attempt(os.link, "mine", outside + "/left") in denied, outside
            assert attempt(os.rename, "mine", outside + "/left") in denied, outside
            assert attempt(os.symlink, "mine", outside + "/left") in denied, outside
            assert attempt(os.mkdir, outside + "/left") in denied, outside
        os.symlink("/etc/shadow", "link")
        os.symlink("/usr/lib", "folder")
        assert attempt(lambda: open("link").read()) in denied
        assert attempt(lambda: open("folder/left", "w")) in denied
        print(sorted(os.listdir(".")))
    """
    assert await says(any_tier, code) == ["['folder', 'link', 'mine']"]


async def test_landlock_is_not_passed_by_descriptors(any_tier: Target) -> None:
    code = """
        denied = {"EACCES", "EPERM", "EROFS", "ENOENT", "EXDEV", "ENOTDIR", "ELOOP"}
        folder = attempt(os.open, "/etc", os.O_PATH)
        if isinstance(folder, int):
            for how in (os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_CREAT):
                opened = attempt(lambda: os.open("left", how, dir_fd=folder))
                assert opened in denied, opened
            assert attempt(lambda: os.open("shadow", os.O_RDONLY, dir_fd=folder)) in denied
            assert attempt(os.fchdir, folder) in (None, *denied)
            assert attempt(lambda: open("shadow").read()) in denied
        library = os.open(os.__file__, os.O_RDONLY)
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC):
            assert attempt(os.open, f"/proc/self/fd/{library}", flags) in denied
        assert attempt(os.ftruncate, library, 0) in ("EINVAL", "EPERM", "EBADF")
        for place in ("/", "/usr/lib", os.path.dirname(os.__file__)):
            assert attempt(os.open, place, os.O_TMPFILE | os.O_RDWR, 0o600) in denied, place
        how = struct.pack("QQQ", os.O_WRONLY | os.O_CREAT, 0o600, 0)
        assert call(NUMBER["openat2"], -100, b"/etc/left", how, len(how)) in denied
        print("denied", os.path.getsize(os.__file__) > 0)
    """
    assert await says(any_tier, code) == ["denied True"]


async def test_seccomp_and_landlock_cannot_be_layered_or_lifted(any_tier: Target) -> None:
    code = """
        allow = struct.pack("HBBI", 6, 0, 0, 0x7FFF0000)
        kept = ctypes.create_string_buffer(allow)
        program = struct.pack("HxxxxxxQ", 1, ctypes.addressof(kept))
        before = [l for l in open("/proc/self/status") if l.startswith(("Seccomp", "NoNew"))]
        print(call(NUMBER["seccomp"], 1, 0, program), call(NUMBER["seccomp"], 1, 8, program),
              call(NUMBER["prctl"], 22, 2, program), call(NUMBER["prctl"], 22, 0, 0),
              call(NUMBER["landlock_create_ruleset"], None, 0, 1))
        print(before == [l for l in open("/proc/self/status")
                         if l.startswith(("Seccomp", "NoNew"))])
    """
    assert await says(any_tier, code) == ["EPERM EPERM EPERM EPERM EPERM", "True"]


# --- Rights ---------------------------------------------------------------------------------------


async def test_no_capability_is_left(any_tier: Target) -> None:
    code = """
        lines = dict(l.split(":", 1) for l in open("/proc/self/status"))
        print(*[int(lines[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapAmb")])
        print(lines["NoNewPrivs"].strip(), lines["Seccomp"].strip())
    """
    assert await says(any_tier, code) == ["0 0 0 0", "1 2"]


async def test_identities_cannot_be_taken(any_tier: Target) -> None:
    code = """
        before = os.getresuid(), os.getresgid()
        print(attempt(os.setuid, 0), attempt(os.setgroups, [0]), attempt(os.setresgid, 0, 0, 0))
        assert before == (os.getresuid(), os.getresgid())
        if os.path.isdir("/scratch"):
            assert (os.getuid(), os.geteuid(), os.getgid()) == (1000, 1000, 1000)
    """
    assert await says(any_tier, code) == ["EPERM EPERM EPERM"]


async def test_a_setuid_program_gains_nothing(any_tier: Target) -> None:
    code = """
        open("tool", "w").write("#!/bin/sh")
        attempt(os.chmod, "tool", 0o6755)
        for path in ("tool", "/usr/bin/su", "/usr/bin/passwd", "/usr/bin/mount"):
            assert attempt(os.execv, path, [path]) in ("EPERM", "EACCES", "ENOENT"), path
        lines = dict(l.split(":", 1) for l in open("/proc/self/status"))
        print(lines["NoNewPrivs"].strip(), os.getuid() == os.geteuid())
    """
    assert await says(any_tier, code) == ["1 True"]


async def test_no_program_can_be_started(any_tier: Target) -> None:
    code = """
        import subprocess
        def start():
            subprocess.run([os.path.realpath("/proc/self/exe"), "-c", "print('ran')"])
        def replace():
            os.execv("/bin/sh", ["sh", "-c", "echo ran"])
        print(attempt(replace))
        start()
    """
    result = await attack(any_tier, code)
    assert result.stdout == "EPERM\n"
    assert result.exception is not None
    assert result.exception.type == "PermissionError"
    assert "starts no other programs" in result.detail


async def test_a_program_in_memory_cannot_be_started(any_tier: Target) -> None:
    code = """
        print(attempt(os.memfd_create, "x"))
        fd = os.open("program", os.O_CREAT | os.O_RDWR, 0o755)
        print(call(NUMBER["execveat"], fd, b"", None, None, 0x1000))
    """
    assert await says(any_tier, code) == ["EPERM", "EPERM"]


async def test_a_process_cannot_make_itself_open_to_others(any_tier: Target) -> None:
    code = """
        # PR_SET_DUMPABLE, PR_SET_PTRACER, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_SET_MM,
        # PR_SET_CHILD_SUBREAPER
        for option, value in ((4, 1), (0x59616D61, -1), (28, 0), (47, 2), (35, 1), (36, 1)):
            assert call(NUMBER["prctl"], option, value, 0, 0, 0) == "EPERM", option
        print(call(NUMBER["prctl"], 3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
    """
    assert await says(any_tier, code) == ["0"]


# --- The machine's clock, priorities and devices --------------------------------------------------


async def test_the_clock_cannot_be_set(any_tier: Target) -> None:
    before = time.time() - time.monotonic()
    assert await says(any_tier, "print(attempt(time.clock_settime, 0, 0.0))") == ["EPERM"]
    assert abs(time.time() - time.monotonic() - before) < 1


async def test_priority_cannot_be_raised(any_tier: Target) -> None:
    code = """
        print(attempt(os.nice, -5) in ("EPERM", "EACCES"))
        print(attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)))
        print(os.getpriority(os.PRIO_PROCESS, 0) >= 0, os.sched_getscheduler(0))
    """
    assert await says(any_tier, code) == ["True", "EPERM", "True 0"]


async def test_priority_at_the_disk_cannot_be_set(any_tier: Target) -> None:
    assert await says(any_tier, 'print(call(NUMBER["ioprio_set"], 1, 0, 1 << 13))') == ["EPERM"]


async def test_device_files_are_the_harmless_four(strong: Target) -> None:
    code = """
        print(sorted(n for n in os.listdir("/dev") if not os.path.islink("/dev/" + n)))
    """
    assert await says(strong, code) == ["['null', 'random', 'shm', 'urandom', 'zero']"]


async def test_device_files_and_pipes_cannot_be_made(any_tier: Target) -> None:
    code = """
        print(attempt(os.mknod, "disk", 0o60600, os.makedev(8, 0)), attempt(os.mkfifo, "pipe"),
              attempt(os.mknod, "zero", 0o20600, os.makedev(1, 5)), os.listdir("."))
    """
    assert await says(any_tier, code) == ["EPERM EPERM EPERM []"]


async def test_the_devices_of_the_machine_are_out_of_sight(any_tier: Target) -> None:
    code = """
        places = ("/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/kvm", "/dev/fuse",
                  "/dev/net/tun", "/dev/nvidia0", "/dev/tty", "/dev/ptmx", "/dev/console",
                  "/proc/kmsg", "/proc/kcore", "/proc/sysrq-trigger", "/proc/keys",
                  "/proc/sys/kernel/core_pattern", "/proc/kallsyms", "/sys/kernel/debug",
                  "/sys/fs/cgroup", "/sys/class", "/sys/kernel/uevent_helper")
        def touch(place):
            if os.path.isdir(place):
                return os.listdir(place)
            return os.open(place, os.O_RDWR), os.open(place, os.O_RDONLY)
        print({attempt(touch, place) for place in places} <= {"ENOENT", "EACCES", "EPERM"})
    """
    assert await says(any_tier, code) == ["True"]


async def test_no_terminal_can_be_typed_into(any_tier: Target) -> None:
    code = """
        letter = ctypes.create_string_buffer(b"x")
        for fd in (0, 1, 2):
            # TIOCSTI, TIOCLINUX, TIOCSCTTY
            for request in (0x5412, 0x541C, 0x540E):
                assert call(NUMBER["ioctl"], fd, request, letter) == "EPERM"
            # The high half of the request is not looked at by the kernel, but by the filter.
            assert call(NUMBER["ioctl"], fd, 0x5412 | 1 << 40, letter) == "EPERM"
        print(attempt(os.ttyname, 0) in ("ENOTTY", "ENODEV"))
    """
    assert await says(any_tier, code) == ["True"]


async def test_memory_cannot_be_poisoned(any_tier: Target) -> None:
    code = """
        import mmap
        page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page[:1] = b"x"
        at = ctypes.addressof(ctypes.c_char.from_buffer(page))
        for advice in (100, 101):  # MADV_HWPOISON, MADV_SOFT_OFFLINE
            assert call(NUMBER["madvise"], at, mmap.PAGESIZE, advice) in ("EPERM", "EINVAL")
        print(page[:1])
    """
    assert await says(any_tier, code) == ["b'x'"]


_SURFACES = {
    "io_uring": 'call(NUMBER["io_uring_setup"], 8, bytes(120))',
    "bpf map": 'call(NUMBER["bpf"], 0, struct.pack("IIII", 2, 4, 4, 1) + bytes(112), 128)',
    "bpf program": 'call(NUMBER["bpf"], 5, bytes(128), 128)',
    "perf_event_open": 'call(NUMBER["perf_event_open"], struct.pack("IIQ", 1, 128, 0) '
    "+ bytes(112), 0, -1, -1, 0)",
    "userfaultfd": 'call(NUMBER["userfaultfd"], 1)',
    "fanotify": 'call(NUMBER["fanotify_init"], 0, 0)',
    "inotify": 'call(NUMBER["inotify_init1"], 0)',
    "memfd": 'call(NUMBER["memfd_create"], b"x", 0)',
    "memfd_secret": "call(447, 0)",
    "pidfd": 'call(NUMBER["pidfd_open"], os.getpid(), 0)',
    "open_by_handle_at": 'call(NUMBER["open_by_handle_at"], 0, bytes(32), 0)',
    "name_to_handle_at": 'call(NUMBER["name_to_handle_at"], -100, b"/", bytes(136), bytes(8), 0)',
    "key ring": 'call(NUMBER["keyctl"], 0, -3, 1)',
    "key": 'call(NUMBER["add_key"], b"user", b"name", b"secret", 6, -3)',
    "asynchronous input": 'call(NUMBER["io_setup"], 8, bytes(8))',
    "personality": 'call(NUMBER["personality"], 0x0040000)',
    "local descriptor table": 'call(NUMBER.get("modify_ldt", 599), 1, bytes(16), 16)',
    "module": 'call(NUMBER["finit_module"], 0, b"", 0)',
    "swap": 'call(NUMBER["swapon"], b"mine", 0)',
    "kexec": 'call(NUMBER["kexec_file_load"], 0, 0, 0, b"", 0)',
    "reboot": 'call(NUMBER["reboot"], 0xFEE1DEAD, 672274793, 0, 0)',
    "kernel log": 'call(NUMBER["syslog"], 3, bytes(100), 100)',
    "accounting": 'call(NUMBER["acct"], b"mine")',
    "quotas": 'call(NUMBER["quotactl"], 0x800002, b"/", 0, 0)',
    "host name": 'call(NUMBER["sethostname"], b"mine", 4)',
    "memory of other nodes": 'call(NUMBER["move_pages"], 1, 0, 0, 0, 0, 0)',
    "memory of other processes": 'call(NUMBER["process_madvise"], 1, 0, 0, 0, 0)',
}


@pytest.mark.parametrize("attempted", _SURFACES.values(), ids=list(_SURFACES))
async def test_a_surface_of_the_kernel_that_training_does_not_need_is_denied(
    any_tier: Target, attempted: str
) -> None:
    code = f"""
        import gc
        open("mine", "w").close()
        lowest = os.dup(1)  # the next descriptor that a call would give
        os.close(lowest)
        answer = {attempted}
        again = os.dup(1)
        print(answer, again == lowest, os.path.getsize("mine"))
    """
    assert await says(any_tier, code) == ["EPERM True 0"]
