"""Debian's docker-compose 1.29, with the one word of today's Compose that it lacks.

    <its interpreter> compose_v1.py -f docker-compose.yml up

`systempaths=unconfined` in security_opt is no word for the engine: `docker run`, and Compose from
2.15 on, say by it that no path of the container's /proc is masked or read-only.
"""

import sys

from compose.cli.main import main
from docker.api.container import ContainerApiMixin

_WORD = "systempaths=unconfined"
_ask = ContainerApiMixin.create_host_config


def create_host_config(self, *args, **kwargs):
    """The original, with the word translated as `docker run` translates it."""
    words = kwargs.get("security_opt") or []
    kwargs["security_opt"] = [word for word in words if word != _WORD] or None
    config = _ask(self, *args, **kwargs)
    if _WORD in words:
        config.update(MaskedPaths=[], ReadonlyPaths=[])
    return config


ContainerApiMixin.create_host_config = create_host_config
sys.exit(main())
