"""Watched lines: which were executed."""

from __future__ import annotations

import ast
import contextlib
import io
import textwrap

import pytest

from sandbox.pool import Pool
from sandbox.protocol import Snippet, Status
from sandbox.watch import Watch


async def reached(pool: Pool, code: str, *lines: int) -> tuple[int, ...]:
    watch = lines or tuple(range(1, code.count("\n") + 2))
    return (await pool.run(Snippet(code=code, watch=watch))).reached


@pytest.mark.asyncio(loop_scope="session")
class TestInTheSandbox:
    async def test_executed_lines_are_told_and_others_are_not(self, pool: Pool) -> None:
        code = "x = 1\nif x > 1:\n    y = 2\nelse:\n    y = 3\nprint(y)"
        assert await reached(pool, code, 1, 3, 5, 6) == (1, 5, 6)

    async def test_only_watched_lines_are_told(self, pool: Pool) -> None:
        assert await reached(pool, "a = 1\nb = 2\nc = 3", 2) == (2,)

    async def test_a_line_that_failed_was_not_reached(self, pool: Pool) -> None:
        assert await reached(pool, "a = 1\nb = a / 0\nc = 3") == (1,)

    async def test_a_return_that_failed_was_not_reached(self, pool: Pool) -> None:
        code = "def f(x):\n    return 1 / x\nf(1)"
        assert await reached(pool, code, 2) == (2,)
        assert await reached(pool, code.replace("f(1)", "f(0)"), 2) == ()

    async def test_every_line_of_a_long_statement_stands_for_it(self, pool: Pool) -> None:
        assert await reached(pool, "x = max(\n    1,\n    2,\n)\n") == (1, 2, 3, 4)

    async def test_a_last_expression_is_shown_and_told(self, pool: Pool) -> None:
        result = await pool.run(Snippet(code="x = 2\nx * 3", watch=(2,)))
        assert (result.stdout, result.reached) == ("6\n", (2,))

    async def test_lines_that_do_not_exist_are_not_reached(self, pool: Pool) -> None:
        result = await pool.run(Snippet(code="x = 1", watch=(0, -1, 99)))
        assert (result.status, result.reached) == (Status.OK, ())

    async def test_a_snippet_that_ends_itself_still_tells(self, pool: Pool) -> None:
        assert await reached(pool, "import sys\nsys.exit(0)\nx = 1") == (1,)

    async def test_the_line_of_an_error_stays_right(self, pool: Pool) -> None:
        code = "x = [\n    1,\n]\n\ny = x[5]\n"
        result = await pool.run(Snippet(code=code, watch=(1, 2, 3, 4, 5)))
        assert result.exception is not None
        assert result.exception.line == 5
        assert "    y = x[5]\n        ~^^^" in result.exception.traceback


PROGRAMS = {
    "docstrings and future imports": '''
        """Module."""
        from __future__ import annotations
        from __future__ import division
        def f(x: Missing) -> Missing:
            "Doc."
            return x
        class C:
            "Class doc."
            y: int = 1
        print(__doc__, f.__doc__, C.__doc__, f(3), f.__annotations__)
    ''',
    "finally, loops and jumps": """
        def f(n):
            for i in range(n):
                try:
                    if i == 2:
                        continue
                    if i == 4:
                        break
                    assert i != 3, "three"
                    print("i", i)
                except AssertionError as problem:
                    print("caught", problem)
                finally:
                    print("finally", i)
            else:
                print("else")
                return "all"
            while True:
                return "some"
        print(f(2), f(9))
    """,
    "match, with and decorators": """
        import contextlib
        @contextlib.contextmanager
        def room(name):
            print("in", name)
            yield name
            print("out", name)
        def twice(f):
            return lambda *a: (f(*a), f(*a))
        @twice
        def kind(x):
            match x:
                case [a, *rest] if rest:
                    return "many", a
                case {"k": v}:
                    return v
                case _:
                    pass
            return
        with room("a") as a, room("b"):
            print(a, kind([1, 2]), kind({"k": 5}), kind(0))
    """,
    "generators and coroutines": """
        import asyncio
        def numbers():
            x = yield 1
            print("sent", x)
            yield from (2, 3)
            return 4
        g = numbers()
        print(next(g), g.send("hi"), list(g))
        async def main():
            async def each():
                for i in range(2):
                    yield i
                    await asyncio.sleep(0)
            async for i in each():
                print(i)
            return [i async for i in each()], await asyncio.sleep(0, "done")
        print(asyncio.run(main()))
    """,
    "scopes": """
        total = 0
        def outer():
            count = 0
            def inner():
                nonlocal count
                global total
                count += 1
                total += count
                return count
            inner(); inner()
            return count, sorted(locals())
        class A:
            value = 1
            values = [value for _ in range(2)] if False else []
            del value
        print(outer(), total, sorted(n for n in vars(A) if not n.startswith("__")))
        print(sorted(n for n in globals() if n not in before))
    """,
    "exception groups": """
        try:
            raise ExceptionGroup("g", [ValueError(1), KeyError("k")])
        except* ValueError as group:
            print("values", group.exceptions)
        except* KeyError:
            print("keys")
    """,
}


def _output(tree: ast.Module) -> str:
    names: dict[str, object] = {"__name__": "program"}
    names["before"] = [*names, "before", "__builtins__"]
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(compile(tree, "<program>", "exec", dont_inherit=True), names)
    return told.getvalue()


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=list(PROGRAMS))
def test_marks_change_nothing(program: str) -> None:
    code = textwrap.dedent(program).strip()
    plain, marked = ast.parse(code), ast.parse(code)
    watch = Watch(range(1, code.count("\n") + 2))
    watch.mark(marked)
    want = _output(plain)
    assert _output(marked) == want
    assert want
    assert len(watch.reached) > code.count("\n") / 2


def test_heads_of_blocks_are_told_when_their_block_begins() -> None:
    code = textwrap.dedent("""\
        try:
            int("x")
        except KeyError:
            a = 1
        except ValueError:
            a = 2
        else:
            a = 3
        match a:
            case 1:
                b = 1
            case 2:
                b = 2
    """)
    tree, watch = ast.parse(code), Watch(range(1, 14))
    watch.mark(tree)
    _output(tree)
    assert watch.reached == (1, 5, 6, 7, 9, 12, 13)


def test_without_watched_lines_nothing_is_changed() -> None:
    tree = ast.parse("def f():\n    return 1\nf()")
    before = ast.dump(tree, include_attributes=True)
    Watch(()).mark(tree)
    assert ast.dump(tree, include_attributes=True) == before
