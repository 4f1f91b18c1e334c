"""Code is read on several threads at once: the bot reads posts beside its event loop."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import pytest

from knowledge.python_tree import parse_python

WIDE = "x = [" + ", ".join(f"f({i}, a=b[{i}])" for i in range(200)) + "]\n"
DEEP = "def f():\n" + "".join(f"{'  ' * i} if x:\n" for i in range(1, 30)) + f"{'  ' * 30} pass\n"


@pytest.fixture
def busy_collector() -> Iterator[None]:
    """Garbage is collected all the time, and each time other threads come to their turn."""

    def give_way(_phase: str, _counts: dict[str, int]) -> None:
        time.sleep(0.0001)

    before = gc.get_threshold()
    gc.callbacks.append(give_way)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(give_way)


@pytest.mark.usefixtures("busy_collector")
def test_threads_that_read_at_the_same_time_do_not_disturb_each_other() -> None:
    problems: list[BaseException] = []

    def read(code: str) -> None:
        try:
            for _ in range(10):
                parse_python(code)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=read, args=(code,)) for code in (WIDE, DEEP, WIDE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x = (", SyntaxError),
        ("x = 1\0", (SyntaxError, ValueError)),
        ("def f(:\n  pass", SyntaxError),
    ],
)
def test_what_is_no_python_is_an_error_and_the_next_is_read(
    code: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        parse_python(code)
    assert parse_python("x = 1").body
