"""Attacks by the files that a run leaves to be handed back."""

from __future__ import annotations

import base64

import pytest
from attacker import Target, attack, says, serves

from sandbox.protocol import Result, Status

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("C")]


def _content(result: Result) -> dict[str, bytes]:
    return {file.name: base64.b64decode(file.content_base64) for file in result.files}


async def test_a_symbolic_link_is_skipped_and_named(any_tier: Target) -> None:
    code = """
        os.symlink("/etc/shadow", "link")
        os.symlink("/", "top")
        os.symlink("/proc/self/environ", "environment")
        os.symlink("link", "again")
        os.mkdir("d")
        os.symlink("..", "d/up")
    """
    result = await attack(any_tier, code)
    assert result.files == ()
    assert set(result.skipped_files) == {
        f"{name}: a symbolic link" for name in ("link", "top", "environment", "again", "d/up")
    }


async def test_a_hard_link_is_skipped_and_named(any_tier: Target) -> None:
    code = """
        open("good.txt", "w").write("good")
        os.link("good.txt", "second-name")
        open("alone.bin", "wb").write(bytes([0, 1]))
    """
    result = await attack(any_tier, code)
    assert _content(result) == {"alone.bin": b"\0\1"}
    assert set(result.skipped_files) == {
        "good.txt: a file with several names",
        "second-name: a file with several names",
    }


async def test_a_socket_is_skipped_and_named(strong: Target) -> None:
    code = """
        sock = socket.socket(socket.AF_UNIX)
        sock.bind("sock")
        sock.listen()
    """
    result = await attack(strong, code)
    assert result.skipped_files == ("sock: a socket",)


async def test_a_deep_tree_is_cut_off_and_named(any_tier: Target) -> None:
    result = await attack(any_tier, "os.makedirs('a/b/c/d/e/f'); open('a/in', 'w').write('x')")
    assert _content(result) == {"a/in": b"x"}
    assert result.skipped_files == ("a/b/c/d: more than 4 folders deep",)


async def test_too_many_files_are_bounded(any_tier: Target) -> None:
    code = "for n in range(700): open(f'f{n:03}', 'w').close()"
    result = await attack(any_tier, code)
    assert len(result.files) == 16
    assert len(result.skipped_files) <= 64
    assert any("more than 512 files" in line for line in result.skipped_files) or any(
        "more than 16 files" in line for line in result.skipped_files
    )


async def test_files_that_are_too_big_are_named(any_tier: Target) -> None:
    result = await attack(any_tier, 'open("huge", "wb").truncate(9 << 20)')
    assert result.files == ()
    assert result.skipped_files == (f"huge: {9 << 20} bytes are too many",)


async def test_many_files_together_are_bounded(any_tier: Target) -> None:
    code = 'for n in range(7): open(f"f{n}", "wb").write(bytes(2 << 19))'
    result = await attack(any_tier, code, scratch_mib=16)
    assert sum(file.size for file in result.files) <= 8 << 20


async def test_unreadable_files_are_skipped_and_named(any_tier: Target) -> None:
    code = """
        os.mkdir("closed", 0)
        os.close(os.open("mine", os.O_CREAT | os.O_WRONLY, 0))
    """
    result = await attack(any_tier, code)
    assert result.status is Status.OK, result
    told = "\n".join(result.skipped_files)
    # Whoever may read everything reads them, too: they are the run's own.
    assert result.files or "mine: Permission denied" in told
    assert (await says(any_tier, "print(os.listdir('.'))")) == ["[]"]


async def test_names_are_shown_without_tricks(any_tier: Target) -> None:
    code = r"""
        names = ["odd\n\x1b[31m", "\u202egnp.exe", "..\\..\\up", "-rf", "a" * 255, "\u3042" * 85,
                 " ", "...", "@everyone", "<@1>", "`", "con", "CON.txt",
                 "zero\u200bwidth", "new\rline"]
        for name in names:
            open(name, "w").write("x")
        open(b"\xff\xfe", "w").write("x")
        print(len(os.listdir(".")))
    """
    result = await attack(any_tier, code)
    assert result.stdout == "16\n"
    assert len(result.files) == 16
    for file in result.files:
        assert file.name.isprintable(), file.name
        assert "/" not in file.name
        assert file.content_base64 == "eA=="
    shown = " ".join(file.name for file in result.files)
    assert "\\x1b[31m" in shown
    assert "\\u202e" in shown
    assert "\\xff\\xfe" in shown


async def test_a_file_exchanged_for_a_link_again_and_again_is_never_followed(
    any_tier: Target,
) -> None:
    """Whoever exchanges is dead when the files are read: what is there is a file, or a link."""
    code = """
        import threading
        def exchange():
            os.symlink("/etc/passwd", "link")
            os.mkdir("folder")
            open("file", "w").write("mine")
            while True:
                for one, other in (("link", "name"), ("file", "name"), ("folder", "name")):
                    try:
                        os.rename(one, "name"); os.rename("name", one)
                    except OSError:
                        pass
        threading.Thread(target=exchange, daemon=True).start()
        time.sleep(0.05)
        os._exit(0)
    """
    for _ in range(5):
        result = await attack(any_tier, code)
        assert result.status is Status.EXIT, result
        assert set(_content(result).values()) <= {b"mine"}
    assert await serves(any_tier)


async def test_a_growing_file_is_read_as_long_as_it_was(any_tier: Target) -> None:
    code = """
        import threading
        def grow():
            with open("grows", "wb", buffering=0) as file:
                while True:
                    file.write(bytes(1000))
                    if file.tell() > 1 << 20:
                        file.truncate(0)
        threading.Thread(target=grow, daemon=True).start()
        time.sleep(0.05)
        os._exit(0)
    """
    result = await attack(any_tier, code)
    assert all(file.size == len(base64.b64decode(file.content_base64)) for file in result.files)
    assert result.status is Status.EXIT


@pytest.mark.outcome("R")
async def test_a_bomb_of_a_picture_or_an_archive_is_never_decoded(any_tier: Target) -> None:
    """A picture of 4 GB in 30 kB, and such an archive: handed over as the bytes they are."""
    code = """
        import zlib
        def chunk(kind, data):
            return (struct.pack(">I", len(data)) + kind + data
                    + struct.pack(">I", zlib.crc32(kind + data)))
        packer = zlib.compressobj(9)
        body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(32)) + packer.flush()
        head = struct.pack(">IIBBBBB", 65535, 65535, 8, 0, 0, 0, 0)
        with open("bomb.png", "wb") as file:
            file.write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body)
                       + chunk(b"IEND", b""))
        import zipfile
        with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("zeros", "w") as inside:
                for _ in range(32):
                    inside.write(bytes(1 << 20))
    """
    result = await attack(any_tier, code)
    assert result.status is Status.OK, result
    files = _content(result)
    assert set(files) == {"bomb.png", "bomb.zip"}
    assert files["bomb.png"].startswith(b"\x89PNG\r\n\x1a\n")
    assert all(len(content) < 100_000 for content in files.values())
    assert await serves(any_tier)
