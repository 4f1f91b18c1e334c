"""What an operator sees of a serving process: its log, and its metrics on a port."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server
from pythonjsonlogger.json import JsonFormatter

from bot.settings import LogFormat, Settings, SettingsError

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_JSON = "%(asctime)s %(levelname)s %(name)s %(message)s"


@contextmanager
def observed(settings: Settings) -> Iterator[None]:
    """Log as the settings say, and serve metrics on their port, while in here.

    Raises SettingsError when the port cannot be opened.
    """
    handler = logging.StreamHandler()
    as_json = settings.log_format is LogFormat.JSON
    handler.setFormatter(JsonFormatter(_JSON) if as_json else logging.Formatter(_TEXT))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    if settings.metrics_port is None:
        yield
        return
    try:
        server, thread = start_http_server(settings.metrics_port, settings.metrics_host)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"The metrics port {settings.metrics_host}:{settings.metrics_port} cannot be opened "
            f"({error}). Set TUTOR_METRICS_PORT to a free port, or leave it unset."
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
