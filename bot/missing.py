"""What a pasted snippet lacks: names that nothing defines, modules and files that are not there."""

from __future__ import annotations

import re

from pyflakes import checker, messages

from knowledge.python_tree import parse_python

_FILE_ERRORS = {"FileNotFoundError", "NotADirectoryError"}
_QUOTED = re.compile(r"'([^']+)'")


def missing_parts(code: str, exception: str, message: str) -> tuple[str, ...]:
    """What `code` needs and does not bring, given the exception that its run ended with.

    A NameError lists every undefined name of the code, not only the first that the run met, so that
    a learner completes the snippet once. Empty when the exception has another cause.
    """
    if exception in {"NameError", "UnboundLocalError"}:
        named = _QUOTED.search(message)
        first = (named[1],) if named else ()
        undefined = undefined_names(code)
        return undefined if exception == "NameError" and set(first) <= set(undefined) else ()
    if exception in {"ModuleNotFoundError", *_FILE_ERRORS}:
        quoted = _QUOTED.findall(message)
        return tuple(quoted[-1:])
    return ()


def undefined_names(code: str) -> tuple[str, ...]:
    """The names that `code` uses and nothing in it defines, in order of first use.

    Found by pyflakes. Empty when the code does not parse.
    """
    try:
        tree = parse_python(code)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    found = [
        (message.lineno, message.col, message.message_args[0])
        for message in checker.Checker(tree, filename="<snippet>").messages
        if isinstance(message, messages.UndefinedName)
    ]
    return tuple(dict.fromkeys(name for _, _, name in sorted(found)))
