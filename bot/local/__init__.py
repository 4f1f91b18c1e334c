"""A Discord of one's own: gateway, HTTP API and a web page, all on this computer.

The real bot logs in to it with a dummy token, so a study group can be tried out, shown and tested
with no account and no network. Start with `server.py`; `world.py` holds what exists, `gateway.py`
and `rest.py` are what a bot talks to, `page/` is what people see.
"""
