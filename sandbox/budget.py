"""A time limit for work that may meet the snippet's own code, or torch as the snippet left it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

_AGAIN_S = 0.05
# Taken now: the snippet may replace them in its own copy of the module.
_handle, _set_timer, _mask = signal.signal, signal.setitimer, signal.pthread_sigmask


class Late(BaseException):
    """The time is up. Not an Exception, so that no ordinary handler takes it."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Leave the block after `seconds`, in the middle if need be. Main thread only.

    Raises ValueError in another thread. Work in C that does not come back is not interrupted.
    """
    armed = True

    def late(*_: object) -> None:
        if armed:
            raise Late

    before = _handle(signal.SIGALRM, late)
    try:
        _mask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        # Again and again, should somebody's bare `except:` have taken the first.
        _set_timer(signal.ITIMER_REAL, seconds, _AGAIN_S)
        yield
    except Late:
        pass
    finally:
        armed = False
        _set_timer(signal.ITIMER_REAL, 0)
        _handle(signal.SIGALRM, signal.SIG_DFL if before is None else before)
