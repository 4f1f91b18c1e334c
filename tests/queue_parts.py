"""A Redis and workers of the tests' own, as processes that a test may kill."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnection

from sandbox.broker import signs
from sandbox.options import BrokerOptions
from sandbox.protocol import Device

ROOT = Path(__file__).parents[1]
_START_WITHIN = 120.0  # seconds


class RedisHere:
    """A Redis on a free port of this machine that writes every change to disk."""

    def __init__(self, folder: Path, password: str = "") -> None:
        self.program = shutil.which("redis-server")
        if self.program is None:
            pytest.fail(
                "The tests of the queue need a real Redis, and there is no redis-server here. "
                "Run `tools/setup.sh services .venv`, as `make test` does."
            )
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.file_url = f"unix://{folder / 'redis.sock'}?db=0"
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with what is on disk, and wait until it answers."""
        assert self.program is not None
        # fmt: off
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
                   "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
                   "--unixsocket", "redis.sock", "--logfile", "redis.log"]
        # fmt: on
        if self._password:
            options += ["--requirepass", self._password]
        self._process = subprocess.Popen([self.program, *options])
        until = time.monotonic() + _START_WITHIN
        while True:
            try:
                with self.asked() as redis:
                    redis.ping()
                return
            except NoConnection:
                assert time.monotonic() < until, (self.folder / "redis.log").read_text()
                time.sleep(0.05)

    def stop(self) -> None:
        """Kill it, as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def lose_everything(self) -> None:
        """Take away what is on disk; only while it is stopped."""
        shutil.rmtree(self.folder / "appendonlydir")

    @contextlib.contextmanager
    def asked(self) -> Iterator[Redis]:
        """A connection for the test's own questions."""
        with Redis.from_url(self.url, password=self._password or None) as redis:
            yield redis

    def options(self, **changes: float) -> BrokerOptions:
        """Options with which nobody waits long."""
        fast = {"redeliver_s": 1.5, "patience_s": 30.0, **changes}
        return BrokerOptions(self.url, self._password or None, **fast)  # type: ignore[arg-type]


class Workers:
    """Processes of `tutor worker`, each of them for one run at a time."""

    def __init__(self, redis: RedisHere, folder: Path) -> None:
        self._redis, self._folder = redis, folder
        self._all: dict[int, tuple[subprocess.Popen[bytes], Path]] = {}

    def fill(self, wanted: int) -> None:
        """Start as many as are missing, and wait until they take runs."""
        for pid, (process, _) in list(self._all.items()):
            if process.poll() is not None:
                del self._all[pid]
        while len(self._all) < wanted:
            self._start()
        until = time.monotonic() + _START_WITHIN
        for pid, (process, log) in self._all.items():
            while not self._gave_a_sign(pid):
                assert process.poll() is None and time.monotonic() < until, log.read_text()
                time.sleep(0.05)

    def _gave_a_sign(self, pid: int) -> bool:
        with self._redis.asked() as redis:
            names: list[bytes] = redis.zrange(signs(Device.CPU), 0, -1)
        return any(name.split(b":")[1] == str(pid).encode() for name in names)

    def _start(self) -> None:
        log = self._folder / f"worker-{time.monotonic_ns()}.log"
        environment = {
            **os.environ,
            "TUTOR_BROKER": self._redis.url,
            "TUTOR_BROKER_REDELIVER_S": "2.5",
            "TUTOR_CONCURRENCY": "1",
            "TUTOR_WALL_S": "60",
        }
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "bot", "worker"],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._all[process.pid] = (process, log)

    def pids(self) -> list[int]:
        """The process ids of all."""
        return list(self._all)

    def kill(self, pid: int) -> None:
        """End one as the kernel does when memory is short."""
        self._all[pid][0].kill()
        self._all[pid][0].wait()

    def stop(self, pid: int) -> str:
        """Ask one to stop as an engine does; what it wrote into its log."""
        process, log = self._all.pop(pid)
        process.terminate()
        assert process.wait(30) == 0, log.read_text()
        return log.read_text()

    def close(self) -> None:
        """End all of them."""
        for process, _ in self._all.values():
            process.send_signal(signal.SIGTERM)
        for process, _ in self._all.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def redis_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisHere]:
    """A running Redis for the tests of one file."""
    here = RedisHere(tmp_path_factory.mktemp("redis"))
    here.start()
    yield here
    here.stop()


@pytest.fixture(scope="module")
def workers(redis_here: RedisHere, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """No worker yet; those that a test starts stay for the next."""
    crew = Workers(redis_here, tmp_path_factory.mktemp("workers"))
    yield crew
    crew.close()
