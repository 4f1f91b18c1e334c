"""Python code as a syntax tree, on one thread at a time."""

from __future__ import annotations

import ast
import threading

_READING = threading.Lock()


def parse_python(code: str) -> ast.Module:
    """`ast.parse(code)`, with its errors: SyntaxError, ValueError, RecursionError, MemoryError.

    Before Python 3.11.8 and 3.12.2 the interpreter keeps one count of depth for all threads that
    build trees, and a collection of garbage in the middle may let another thread in: sound code
    then ends in a SystemError (https://github.com/python/cpython/issues/106905).
    """
    with _READING:
        return ast.parse(code)
