"""Every setting of the tutor, with its default. Read from TUTOR_* environment variables."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_path, user_data_path
from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from sandbox.options import BrokerOptions, GpuOptions
from sandbox.protocol import Limits, Tier


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it and the remedy."""


Rate = Annotated[str, Field(pattern=r"^(off|[1-9]\d* per ([1-9]\d* )?(second|minute|hour|day)s?)$")]
"""How often something may happen."""

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


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
    shard_count: Annotated[int | None, Field(ge=1, le=16_384)] = None
    """How many shards all processes of this bot have together; as Discord advises when not set."""
    shard_ids: Annotated[tuple[int, ...] | None, NoDecode] = None
    """The shards of this process, counted from 0: "0-3", or "0,2"; all of them when not set."""
    max_attachment_bytes: Annotated[int, Field(ge=1)] = 1_000_000
    """The largest text file of a message or command that is read."""
    read_images: bool = True
    """Whether screenshots are read where a post holds no error as text."""
    join_seconds: Annotated[int, Field(ge=0, le=600)] = 60
    """The longest pause between messages of one person that are one post; 0 joins none."""
    join_messages: Annotated[int, Field(ge=2, le=10)] = 5
    """The most messages in a row that are one post."""

    # State
    database: str | Path = Field(
        default_factory=lambda: user_data_path("traceback-tutor") / "tutor.db"
    )
    """A path for SQLite, or `postgresql+asyncpg://user@host/database`."""
    database_password_file: Path | None = None
    """A file that holds the password of PostgreSQL, which stays out of the address then."""
    catch_up_minutes: Annotated[int, Field(ge=0, le=1440)] = 60
    """Posts, edits and deletions of the last minutes offline that are caught up; 0 for none."""
    catch_up_messages: Annotated[int, Field(ge=1, le=1000)] = 100
    """The most messages of one channel that are read for that."""
    keep_days: Annotated[int, Field(ge=0)] = 30
    """Days for which the text of an `/explain` is kept for "Confirm my fix"; 0 keeps nothing."""

    # Conduct
    posts_per_user: Rate = "6 per 10 minutes"
    """Answers that nobody asked for, to one person: "6 per 10 minutes", or "off"."""
    posts_per_channel: Rate = "30 per 10 minutes"
    posts_per_guild: Rate = "100 per 10 minutes"
    commands_per_user: Rate = "20 per minute"
    """Commands, buttons and messages to the bot, of one person."""
    commands_per_channel: Rate = "60 per minute"
    commands_per_guild: Rate = "200 per minute"
    repeat_minutes: Annotated[int, Field(ge=0, le=1440)] = 10
    """For how long the same error of the same person gets a pointer to its answer."""

    # Knowledge
    entries: Path | None = None
    """A folder of the group's own entries, beside the shipped ones; changes are taken over."""
    teaching_guilds: frozenset[int] = frozenset()
    """The servers whose admins may teach the bot, for it answers by what it was taught in all of
    its servers; when empty, the one server that it is in."""
    gaps_per_guild: Annotated[int, Field(ge=0)] = 200
    """Posts without a good answer that are kept for the mentors of one server, where it allows
    that."""
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
    scratch_mib: Annotated[int, Field(ge=1)] = Limits().scratch_mib
    files: Annotated[int, Field(ge=0, le=64)] = Limits().files
    files_mib: Annotated[int, Field(ge=1, le=64)] = Limits().files_mib
    processes: Annotated[int, Field(ge=1)] = Limits().processes
    threads: Annotated[int, Field(ge=1)] = Limits().threads
    armed_cells: Annotated[int, Field(ge=1, le=64)] = 2
    """Cells kept ready, so that a run starts in milliseconds."""
    recycle: Annotated[int, Field(ge=1)] = 2000
    """Cells that one warm process makes, before a fresh one takes its place."""
    concurrency: Annotated[int | None, Field(ge=1)] = None
    """Runs at the same time; the number of processors when not set."""
    runs_per_user: Annotated[int, Field(ge=1)] = 1
    """Requests of one person that run at the same time."""
    waiting_per_user: Annotated[int, Field(ge=0)] = 3
    """Further requests of one person that may wait for their turn."""
    waiting: Annotated[int, Field(ge=0)] = 200
    """Requests of all people together that may wait, for each device."""

    # GPU
    gpu_index: Annotated[int, Field(ge=0)] = GpuOptions().index
    """The GPU of this host that runs snippets, counted as nvidia-smi does."""
    gpu_minimum_tier: Tier = GpuOptions().minimum_tier
    """Runs on a GPU reach tier `floor`, and are refused until that is accepted here."""
    gpu_memory_fraction: Annotated[float, Field(gt=0, le=0.95)] = GpuOptions().fraction
    """How much of the GPU's memory one run may have."""
    gpu_recovery_s: Annotated[float, Field(gt=0, le=600)] = GpuOptions().recovery_s
    """Seconds in which the GPU's memory has to come free after a run, or it takes no more."""
    gpu_concurrency: Annotated[int, Field(ge=1)] = 1
    """Runs at the same time on GPUs: as many as all workers together have."""

    # Queue
    broker: SecretStr | None = None
    """A Redis (`redis://host:6379/0`) over which `tutor worker` takes the runs; without one they
    stay in this process. Secret, because an address may hold a password."""
    broker_password_file: Path | None = None
    """A file that holds the password of that Redis, which stays out of the address then."""
    broker_patience_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Seconds for which a run waits for a broker or a worker that is away, before it fails."""
    broker_redeliver_s: Annotated[float, Field(ge=0.5, le=600)] = 15.0
    """Seconds without a sign of life after which a worker's run is given to another."""
    broker_keep_s: Annotated[int, Field(ge=60, le=86400)] = 600
    """Seconds for which Redis keeps a result that nobody fetched."""

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

    @field_validator("shard_ids", mode="before")
    @classmethod
    def _are_listed(cls, listed: object) -> object:
        return _numbers(listed) if isinstance(listed, str) else listed

    @field_validator("shard_ids")
    @classmethod
    def _are_there(
        cls, ids: tuple[int, ...] | None, others: ValidationInfo
    ) -> tuple[int, ...] | None:
        if ids is None or "shard_count" not in others.data:  # a bad count is named by itself
            return ids
        count = others.data["shard_count"]
        if count is None:
            raise ValueError("set TUTOR_SHARD_COUNT, too: how many shards all processes have")
        if not ids or not all(0 <= each < count for each in ids):
            raise ValueError(
                f"of the {count} shards of TUTOR_SHARD_COUNT the first is 0 and the last is "
                f"{count - 1}"
            )
        return tuple(sorted(set(ids)))

    def entries_folder(self) -> Path:
        """Where the group's own entries are: beside the database, if that is a file, by default."""
        if self.entries is not None:
            return self.entries
        database = str(self.database)
        if "://" in database:
            return user_data_path("traceback-tutor") / "entries"
        return Path(database).expanduser().parent / "entries"

    def limits(self) -> Limits:
        """The limits of one run."""
        return Limits(
            wall_s=self.wall_s,
            memory_mib=self.memory_mib,
            output_bytes=self.output_bytes,
            code_bytes=self.code_bytes,
            scratch_mib=self.scratch_mib,
            files=self.files,
            files_mib=self.files_mib,
            processes=self.processes,
            threads=self.threads,
        )

    def gpu_options(self) -> GpuOptions:
        """Which GPU runs snippets, and how it is watched."""
        return GpuOptions(
            index=self.gpu_index,
            fraction=self.gpu_memory_fraction,
            recovery_s=self.gpu_recovery_s,
            minimum_tier=self.gpu_minimum_tier,
        )

    @field_validator("broker")
    @classmethod
    def _is_redis(cls, address: SecretStr | None) -> SecretStr | None:
        schemes = ("redis://", "rediss://", "unix://")
        if address is not None and not address.get_secret_value().startswith(schemes):
            raise ValueError(f"the address has to begin with one of {', '.join(schemes)}")
        return address

    def broker_options(self) -> BrokerOptions | None:
        """How to reach the broker; None when none is set.

        Raises SettingsError when the password file cannot be used.
        """
        if self.broker is None:
            return None
        password = None
        if self.broker_password_file is not None:
            setting = "TUTOR_BROKER_PASSWORD_FILE"
            file = self.broker_password_file
            password = read_secret(file, setting, "broker password", "the password of Redis")
        return BrokerOptions(
            url=self.broker.get_secret_value(),
            password=None if password is None else password.get_secret_value(),
            redeliver_s=self.broker_redeliver_s,
            keep_s=self.broker_keep_s,
            patience_s=self.broker_patience_s,
        )

    def read_token(self) -> SecretStr | None:
        """The token from the file or the environment; None when neither is set.

        Raises SettingsError when the file cannot be read or is empty. The token is never part
        of a message.
        """
        if self.token_file is None:
            return self.token
        return read_secret(self.token_file, "TUTOR_TOKEN_FILE", "token", "the bot token")


def _numbers(listed: str) -> tuple[int, ...]:
    """The numbers of a list like "0-3,8". Raises ValueError."""
    numbers: list[int] = []
    for part in listed.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError('list the shards of this process like "0-3", or "0,2"')
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"the range {part.strip()} ends before it begins")
        numbers += range(first, last + 1)
    return tuple(numbers)


def read_secret(file: Path, setting: str, name: str, content: str) -> SecretStr:
    """What a file of secrets holds, without the white space around it.

    Raises SettingsError when the file cannot be read or is empty; the secret is never part of the
    message. `setting`, `name` and `content` are the words of that message.
    """
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The {name} file {file} cannot be read ({type(error).__name__}). "
            f"Set {setting} to a readable text file that holds {content}."
        ) from None
    if not secret:
        raise SettingsError(f"The {name} file {file} is empty. Put {content} into it.")
    return SecretStr(secret)
