"""`python -m bot.local PORT`: the local Discord alone, to which any bot may log in."""

from __future__ import annotations

import asyncio
import sys

from bot.local.server import LocalDiscord, LocalDiscordError, serve


def _announce(discord: LocalDiscord) -> None:
    print(f"The local Discord is at {discord.url} (Ctrl-C ends it)", flush=True)


def main() -> None:
    """Serve until interrupted."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    try:
        asyncio.run(serve(port=port, started=_announce))
    except LocalDiscordError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
