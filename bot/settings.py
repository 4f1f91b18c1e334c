"""Every setting of the tutor, with its default. Read from TUTOR_* environment variables."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_path, user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sandbox.protocol import Limits, Tier


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it and the remedy."""


class Settings(BaseSettings):
    """What an operator can choose. Each field is the environment variable TUTOR_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix="TUTOR_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    # Discord
    token: SecretStr | None = None
    """The bot token. Prefer `token_file`: a file is harder to leak than an environment."""
    token_file: Path | None = None
    discord_api: str | None = None
    """Base address of another REST API than Discord's, for the local Discord."""
    discord_gateway: str | None = None
    """Address of another gateway than Discord's, for the local Discord."""
    message_content: bool = True
    """Whether the bot has the message-content intent and answers tracebacks posted in a channel."""
    max_attachment_bytes: Annotated[int, Field(ge=1)] = 1_000_000
    """The largest file of a message or command that is read."""

    # State
    database: Path = Field(default_factory=lambda: user_data_path("traceback-tutor") / "tutor.db")
    keep_days: Annotated[int, Field(ge=0)] = 30
    """Days for which the text of an `/explain` is kept for "Confirm my fix"; 0 keeps nothing."""

    # Knowledge
    entries: Path | None = None
    """A folder of the group's own entries, beside the shipped ones; changes are taken over."""
    encoder: str | None = None
    """A sentence-transformers name or path; the bundled model when not set."""
    cache: Path = Field(default_factory=lambda: user_cache_path("traceback-tutor"))

    # Sandbox
    minimum_tier: Tier = Tier.STRONG
    """Runs are refused when this machine cannot build walls of this tier."""
    wall_s: Annotated[float, Field(gt=0, le=3600)] = Limits().wall_s
    memory_mib: Annotated[int, Field(ge=64)] = Limits().memory_mib
    output_bytes: Annotated[int, Field(ge=1024)] = Limits().output_bytes
    code_bytes: Annotated[int, Field(ge=1)] = Limits().code_bytes
    armed_cells: Annotated[int, Field(ge=1, le=64)] = 2
    """Cells kept ready, so that a run starts in milliseconds."""
    concurrency: Annotated[int | None, Field(ge=1)] = None
    """Runs at the same time; the number of processors when not set."""
    runs_per_user: Annotated[int, Field(ge=1)] = 1
    """Requests of one person that run at the same time."""
    waiting_per_user: Annotated[int, Field(ge=0)] = 3
    """Further requests of one person that may wait for their turn."""
    waiting: Annotated[int, Field(ge=0)] = 200
    """Requests of all people together that may wait, for each device."""

    # Watching it
    log_format: LogFormat = LogFormat.TEXT
    """How `serve` and `worker` write their log: lines for people, or JSON for a collector."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_snippets: bool = False
    """Whether the log holds the code of each run. Learners' code is theirs: off by default."""
    metrics_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    """A port for Prometheus to read metrics from; none is opened when not set."""
    metrics_host: str = "127.0.0.1"
    """The address of that port."""

    def limits(self) -> Limits:
        """The limits of one run."""
        return Limits(
            wall_s=self.wall_s,
            memory_mib=self.memory_mib,
            output_bytes=self.output_bytes,
            code_bytes=self.code_bytes,
        )

    def read_token(self) -> SecretStr | None:
        """The token from the file or the environment; None when neither is set.

        Raises SettingsError when the file cannot be read or is empty. The token is never part
        of a message.
        """
        if self.token_file is None:
            return self.token
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"The token file {self.token_file} cannot be read ({type(error).__name__}). "
                "Set TUTOR_TOKEN_FILE to a readable text file that holds the bot token."
            ) from None
        if not token:
            raise SettingsError(
                f"The token file {self.token_file} is empty. Put the bot token into it."
            )
        return SecretStr(token)
