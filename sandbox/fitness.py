"""Whether a text can be run at all: looked at before anything is made ready for it."""

from __future__ import annotations

from sandbox.protocol import ExceptionReport, Limits, Result, Snippet, Status, Tier


def unfit(snippet: Snippet, limits: Limits, tier: Tier) -> Result | None:
    """The result for code that is no text to run: too long, or with impossible characters."""
    code = snippet.code
    try:
        size = len(code.encode("utf-8"))
    except UnicodeEncodeError as problem:
        line = code.count("\n", 0, problem.start) + 1
        return _syntax_error("a half of a surrogate pair, which is no character", line, tier)
    if size > limits.code_bytes:
        sentence = (
            f"The snippet has {size} bytes, more than the {limits.code_bytes} that are taken. "
            "Cut it down to the part that shows the error."
        )
        report = ExceptionReport(type="SnippetTooLong", message=sentence, traceback=sentence)
        return Result(status=Status.ERROR, exception=report, tier=tier, detail=sentence)
    if "\0" in code:
        return _syntax_error("a NUL character", code.count("\n", 0, code.index("\0")) + 1, tier)
    return None


def _syntax_error(what: str, line: int, tier: Tier) -> Result:
    sentence = (
        f"Line {line} of the snippet holds {what}. Copy the code again as plain text, "
        "or save the file as UTF-8."
    )
    shown = f'  File "<snippet>", line {line}\nSyntaxError: {sentence}\n'
    report = ExceptionReport(type="SyntaxError", message=sentence, traceback=shown, line=line)
    return Result(status=Status.ERROR, exception=report, tier=tier, detail=sentence)
