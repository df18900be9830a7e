"""``/docs`` (Swagger UI, shipped with the image) and the landing page; neither loads anything from elsewhere."""

from __future__ import annotations

from pathlib import Path

import swagger_ui_bundle  # type: ignore[import-untyped]
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gateway import __version__
from gateway.settings import CommonSettings
from gateway.web.language import preferred_language

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(default=True)
)
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _page(name: str, **values: object) -> Response:
    return HTMLResponse(PAGES.get_template(name).render(**values), headers=SECURITY_HEADERS)


def docs_routes(*, title: str, settings: CommonSettings) -> list[BaseRoute]:
    """The pages for people: ``/`` tells the state, ``/docs`` lets a developer try each call."""

    async def landing(request: Request) -> Response:
        language = preferred_language(request.headers)
        return _page(
            "landing.html", title=title, language=language, version=__version__, mode=settings.engine_mode.value
        )

    async def docs(_: Request) -> Response:
        return _page("docs.html", title=title)

    return [
        Route("/", landing),
        Route("/docs", docs),
        Mount("/docs/assets", StaticFiles(directory=swagger_ui_bundle.swagger_ui_path)),
    ]
