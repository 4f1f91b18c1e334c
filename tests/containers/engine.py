"""A container engine for the tests: started where none runs, with images that are built once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
INSTALL = "`tools/setup.sh containers .venv` installs what is missing."
UID = 10001

_REPOSITORY = "traceback-tutor-test"
_START_S = 60
_CODE = ("bot", "knowledge", "sandbox")
_NEEDS = ("pyproject.toml", "constraints.txt")
_TEST_PACKAGES = ("pytest", "pytest-asyncio", "pytest-timeout", "psutil")
_BASE_PYTHON = "3.11"
_FOR_BASE_PYTHON = ("async-timeout",)
"""What packages demand of Python 3.11.2 (Debian's), but not of a later one that fetches them."""


def run(*command: str | Path, **options: object) -> str:
    """The output of a command, which must end well."""
    arguments = [str(word) for word in command]
    done = subprocess.run(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if done.returncode:
        pytest.fail(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout.strip()


def docker(*words: str | Path, **options: object) -> str:
    """The output of `docker …`, which must end well."""
    return run("docker", *words, **options)


@contextlib.contextmanager
def engine() -> Iterator[None]:
    """An engine that answers. Fails in words where there is none and none can be started."""
    if shutil.which("docker") is None:
        pytest.fail(f"Docker is not here. {INSTALL}")
    if _answers():
        yield
        return
    daemon = shutil.which("dockerd")
    if daemon is None or os.geteuid() != 0:
        pytest.fail(
            "No Docker engine answers, and this user cannot start one. Start it, and let this user "
            f"use it (group `docker`). {INSTALL}"
        )
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [daemon], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            end = time.monotonic() + _START_S
            while not _answers():
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    said = log.read()[-3000:].decode(errors="replace")
                    pytest.fail(f"dockerd does not start:\n{said}")
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _answers() -> bool:
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, capture_output=True).returncode == 0


@dataclass(frozen=True)
class Images:
    """Names of the images under test."""

    tutor: str
    attacks: str
    """The tutor's image with the attack suite in it."""
    redis: str
    postgres: str

    def environment(self) -> dict[str, str]:
        """The variables of docker-compose.yml that name them."""
        return {
            "CPU_IMAGE": self.tutor,
            "REDIS_IMAGE": self.redis,
            "POSTGRES_IMAGE": self.postgres,
        }


def build_images() -> Images:
    """The images, each built only when what goes into it has changed."""
    base = _image("base", _digest(ROOT / "tools" / "base_image.sh"))
    if not _there(base):
        run(ROOT / "tools" / "base_image.sh", base)
    services = _digest(HERE / "services.Dockerfile", HERE / "postgres.sh", salt=base)
    names = {kind: _image(kind, services) for kind in ("redis", "postgres")}
    for kind, name in names.items():
        if not _there(name):
            file = HERE / "services.Dockerfile"
            _build(HERE, file, name, "--target", kind, BASE=base)
    code = [ROOT / name for name in (*_NEEDS, *_CODE, ".dockerignore")]
    tutor = _image("tutor", _digest(*code, salt=base))
    suite = ROOT / "tests" / "attacks"
    attacks = _image("attacks", _digest(suite, HERE / "attacks.Dockerfile", salt=tutor))
    images = Images(tutor, attacks, **names)
    if not _there(tutor):
        _build_tutor(tutor, base)
    if not _there(attacks):
        _build_attacks(attacks, tutor, suite)
    _forget_others({base, tutor, attacks, *names.values()})
    return images


def _build_tutor(name: str, base: str) -> None:
    with _context() as context:
        for part in (*_NEEDS, "README.md", "LICENSE", ".dockerignore", *_CODE):
            _copy(ROOT / part, context / part)
        _copy(_wheels(), context / "wheelhouse")
        _build(context, context / "sandbox" / "Dockerfile", name, BASE=base)


def _build_attacks(name: str, tutor: str, suite: Path) -> None:
    with _context() as context:
        _copy(suite, context / "attacks")
        _copy(ROOT / "pyproject.toml", context / "pyproject.toml")
        wheels = context / "wheels"
        wheels.mkdir()
        for wheel in _wheels().glob("*.whl"):
            if wheel.name.startswith(
                ("pytest", "pluggy", "iniconfig", "packaging", "psutil", "pygments")
            ):
                shutil.copy(wheel, wheels)
        _build(context, HERE / "attacks.Dockerfile", name, IMAGE=tutor)


def _build(context: Path, file: Path, name: str, *words: str, **arguments: str) -> None:
    given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
    docker("build", "--quiet", "--file", file, "--tag", name, *words, *given, context)


def _wheels() -> Path:
    """The packages that the image needs, fetched once for each set of requirements."""
    wanted = [*(ROOT / name for name in _NEEDS), ROOT / "tools" / "wheelhouse.sh"]
    cache = platformdirs.user_cache_path("traceback-tutor-tests")
    folder = cache / f"wheels-{_digest(*wanted)}"
    if not folder.exists():
        shutil.rmtree(cache, ignore_errors=True)
        unfinished = folder.with_suffix(".part")
        environment = {**os.environ, "PYTHON_VERSION": _BASE_PYTHON}
        packages = (*_TEST_PACKAGES, *_FOR_BASE_PYTHON)
        run(ROOT / "tools" / "wheelhouse.sh", unfinished, *packages, env=environment)
        unfinished.rename(folder)
    return folder


# --- Small things ---------------------------------------------------------------------------------


@contextlib.contextmanager
def _context() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tutor-build-") as folder:
        yield Path(folder)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    else:
        shutil.copy(source, target)


def _image(kind: str, digest: str) -> str:
    return f"{_REPOSITORY}-{kind}:{digest}"


def _there(image: str) -> bool:
    return bool(docker("images", "--quiet", image))


def _forget_others(kept: Set[str]) -> None:
    """Remove the images of earlier contents; the layers that they share are in new ones by now."""
    listed = docker("images", "--format", "{{.Repository}}:{{.Tag}}")
    for image in sorted(set(listed.split()) - kept):
        if image.startswith(_REPOSITORY):
            # Whatever still uses one keeps it.
            subprocess.run(["docker", "rmi", image], capture_output=True)


def _digest(*paths: Path, salt: str = "") -> str:
    """A short hash of files and of folders of files."""
    found = hashlib.sha256(salt.encode())
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(str(file.relative_to(path.parent)).encode() + b"\0")
                found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:12]


# --- Compose --------------------------------------------------------------------------------------


def compose_command() -> list[str]:
    """`docker compose`, or Debian's docker-compose with the word that it lacks."""
    known = ["docker", "compose"]
    if subprocess.run([*known, "version"], capture_output=True).returncode == 0:
        return known
    old = shutil.which("docker-compose")
    if old is None:
        pytest.fail(f"Docker Compose is not here. {INSTALL}")
    interpreter = Path(old).read_text("utf-8").splitlines()[0].removeprefix("#!").strip()
    return [interpreter, str(HERE / "compose_v1.py")]


class Compose:
    """docker-compose.yml as a project of its own; whoever brings it up takes it down."""

    def __init__(self, name: str, secrets: Path, environment: Mapping[str, str]) -> None:
        self.name, self.secrets = name, secrets
        self._command = [*compose_command(), "-f", str(ROOT / "docker-compose.yml"), "-p", name]
        self._environment = {**os.environ, "SECRETS_FOLDER": str(secrets), **environment}

    def __call__(self, *words: str, **options: object) -> str:
        """The output of a command of Compose, which must end well."""
        return run(*self._command, *words, cwd=ROOT, env=self._environment, **options)

    def containers(self, service: str = "") -> list[str]:
        """The ids of the running containers, of one service or of all."""
        label = "label=com.docker.compose"
        which = ["--filter", f"{label}.service={service}"] if service else []
        project = f"{label}.project={self.name}"
        return docker("ps", "--quiet", "--no-trunc", "--filter", project, *which).split()

    def address(self, service: str, network: str) -> str:
        """Where a service's container stands in one of the networks."""
        (container,) = self.containers(service)
        (found,) = json.loads(docker("inspect", container))
        networks = found["NetworkSettings"]["Networks"]
        return str(networks[f"{self.name}_{network}"]["IPAddress"])

    def down(self) -> None:
        """Remove every container, network and volume of the project."""
        self("down", "--volumes", "--remove-orphans", "--timeout", "5")


SECRETS = ("discord_token", "database_password", "redis_password", "worker_password")


def write_secrets(folder: Path, token: str) -> None:
    """The files of secrets, as README.md says: readable for root and the containers alone."""
    folder.mkdir(mode=0o700, parents=True)
    for name in SECRETS:
        file = folder / name
        secret = token if name == "discord_token" else os.urandom(24).hex()
        file.write_text(f"{secret}\n", "ascii")
        file.chmod(0o444)
