"""The other end of attacker.Elsewhere: a pool that takes snippets as lines of JSON on stdin."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from sandbox.pool import Pool
from sandbox.protocol import Limits, Snippet, Tier
from sandbox.runner import SandboxError


def _tell(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def _serve(pool: Pool, line: bytes) -> None:
    order = json.loads(line)
    snippet = Snippet.model_validate_json(json.dumps(order["snippet"]))
    limits = Limits.model_validate_json(json.dumps(order["limits"]))
    result = await pool.run(snippet, limits)
    _tell(number=order["number"], result=result.model_dump(mode="json"))


async def main() -> None:
    """Serve until stdin ends."""
    tier = Tier(os.environ["ATTACKED_TIER"])
    limits = Limits.model_validate_json(os.environ["ATTACKED_LIMITS"])
    pool = Pool(limits=limits, minimum_tier=tier, maximum_tier=tier)
    try:
        await pool.start()
    except SandboxError as problem:
        _tell(why=str(problem))
        return
    _tell(tier=pool.tier.value)
    orders = asyncio.StreamReader(limit=1 << 28)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with asyncio.TaskGroup() as running:
        while line := await orders.readline():
            running.create_task(_serve(pool, line))
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
