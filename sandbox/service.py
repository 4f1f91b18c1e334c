"""What is started before it serves, and closed in the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Service(ABC):
    """Use as an asynchronous context manager: it serves inside."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self.close()

    @abstractmethod
    async def start(self) -> None:
        """Begin to serve."""

    @abstractmethod
    async def close(self) -> None:
        """End what is under way, and leave nothing behind."""
