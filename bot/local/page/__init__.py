"""The page: a study group's channel in the browser, made with NiceGUI.

NiceGUI brings its own front end, so nothing is fetched from anywhere else and nothing is built.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import ui
from nicegui.events import GenericEventArguments
from starlette.requests import Request
from starlette.routing import Route

from bot.local.gateway import Gateway
from bot.local.interactions import Interactions
from bot.local.page.acts import Acts
from bot.local.page.texts import Text, say
from bot.local.page.uploads import Uploads
from bot.local.page.view import View
from bot.local.world import World
from knowledge.language import Language

_ASSETS = Path(__file__).parent / "assets"
_STYLES = ("theme", "page", "message", "forms", "phone")
_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><rect width='24' height='24' "
    "rx='7' fill='#ee4c2c'/><path fill='#fff' d='M9.4 16.6 4.8 12l4.6-4.6L8 6l-6 6 6 6zm5.2 "
    "0 4.6-4.6-4.6-4.6L16 6l6 6-6 6z'/></svg>"
)


def mount(app: FastAPI, world: World, interactions: Interactions, gateway: Gateway) -> None:
    """Put the page at the root of `app`. Works once in a process: NiceGUI is one application."""
    uploads = Uploads()
    app.router.routes.append(Route("/local/uploads", uploads.receive, methods=["POST"]))
    nicegui_app.add_static_files("/local/assets", _ASSETS, max_cache_age=0)

    @ui.page("/")
    def page(request: Request) -> None:
        ui.add_head_html(
            "".join(f'<link rel="stylesheet" href="local/assets/{name}.css">' for name in _STYLES)
            + '<script src="local/assets/theme.js"></script>'
            '<script type="module" src="local/assets/page.js"></script>'
        )
        view = View(world, interactions, gateway, _wanted(request))
        acts = Acts(view, uploads)

        def act(event: GenericEventArguments) -> None:
            if isinstance(event.args, dict):
                acts.do(event.args)

        ui.on("act", act)

    ui.run_with(
        app,
        title=say(Text.TITLE, Language.EN),
        dark=True,
        tailwind=False,
        favicon=_ICON,
        show_welcome_message=False,
    )


def _wanted(request: Request) -> Language:
    """The language of the address (?lang=ja), else the browser's first one that is spoken here."""
    header = request.headers.get("accept-language", "")
    for wanted in (request.query_params.get("lang", ""), *header.split(",")):
        code = wanted.split(";")[0].strip().lower()[:2]
        if code in [*Language]:
            return Language(code)
    return Language.EN
