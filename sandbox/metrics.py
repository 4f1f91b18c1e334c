"""What operators watch, as Prometheus metrics of this process. docs/operator.md explains each.

They live in the client library's own registry, as its documentation advises; nothing is served
until a front end opens a port for them.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from prometheus_client import Counter, Enum, Gauge, Histogram

from sandbox.protocol import Limits, Result, Snippet, Tier
from sandbox.runner import Runner, Watch

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120)

RUNS: Final = Counter("tutor_runs", "Runs that ended.", ["device", "status"])
LOST: Final = Counter("tutor_runs_lost", "Runs that the sandbox could not make.", ["device"])
RUN_SECONDS: Final = Histogram(
    "tutor_run_seconds", "From handing a snippet over to its result.", ["device"], buckets=_SECONDS
)
WAIT_SECONDS: Final = Histogram(
    "tutor_wait_seconds", "What a request waited for its turn.", ["device"], buckets=_SECONDS
)
WAITING: Final = Gauge("tutor_waiting", "Requests that wait for their turn.", ["device"])
REFUSED: Final = Counter(
    "tutor_refused", "Requests refused because too many wait.", ["device", "reason"]
)
ARMED: Final = Gauge("tutor_armed_cells", "Cells that stand ready for a run.", ["device"])
TIER: Final = Enum(
    "tutor_sandbox_tier",
    "The walls around a run.",
    ["device"],
    states=[tier.value for tier in Tier],
)

_log = logging.getLogger(__name__)


class Measured:
    """A runner that counts, times and logs what it runs.

    The log tells how each run ended. It holds nothing of the snippet or its output, unless
    `log_snippets` asks for the code.
    """

    def __init__(self, runner: Runner, *, log_snippets: bool = False) -> None:
        self._runner = runner
        self._log_snippets = log_snippets

    async def run(
        self, snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
    ) -> Result:
        """One run, as the runner inside makes it; raises what that raises."""
        begun = time.monotonic()
        try:
            result = await self._runner.run(snippet, limits, watch=watch)
        except Exception:
            LOST.labels(snippet.device).inc()
            raise
        RUN_SECONDS.labels(snippet.device).observe(time.monotonic() - begun)
        RUNS.labels(snippet.device, result.status).inc()
        about: dict[str, object] = {
            "status": result.status.value,
            "device": snippet.device.value,
            "tier": result.tier.value,
            "wall_s": round(result.wall_s, 4),
            "cpu_s": round(result.cpu_s, 4),
            "peak_mib": round(result.peak_mib, 1),
            "code_characters": len(snippet.code),
        }
        if self._log_snippets:
            about["code"] = snippet.code
        _log.info("A run ended: %s", result.status.value, extra=about)
        return result
