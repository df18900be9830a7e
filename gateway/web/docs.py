"""The landing page, ``/docs`` (Swagger UI, shipped with the image) and the OpenAPI document; none loads anything from
elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import swagger_ui_bundle  # type: ignore[import-untyped]
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from gateway.domain.errors import Language
from gateway.web.language import preferred_language
from gateway.web.openapi import openapi_document
from gateway.web.operation import Content
from gateway.web.routing import Route, operation

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(default=True)
)
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Landing:
    """The texts of an entry's first page.

    Attributes:
        chinese: one sentence on it.
        english: the same in English.
        self_tests: commands that show whether it works; ``ENTRY`` stands for its address.
    """

    chinese: str
    english: str
    self_tests: tuple[str, ...]


WORDS: dict[Language, dict[str, Any]] = {
    "zh": {
        "docs": "接口文档",
        "try_it": "自检",
        "mode": "运行模式",
        "modes": {"preview": "预览（无 GPU，使用模拟引擎）", "gpu": "GPU"},
        "model": "模型",
        "rate": "采样率",
        "queue": "排队",
        "version": "版本",
        "unreachable": "无法连接此服务",
    },
    "en": {
        "docs": "API documentation",
        "try_it": "Self-test",
        "mode": "Mode",
        "modes": {"preview": "preview (a stand-in engine, no GPU)", "gpu": "GPU"},
        "model": "Model",
        "rate": "Sample rate",
        "queue": "Waiting",
        "version": "Version",
        "unreachable": "This service can't be reached",
    },
}


Page = Annotated[HTMLResponse, Content("text/html", binary=False)]
Asset = Annotated[Response, Content("application/octet-stream")]
Document = Annotated[JSONResponse, Content("application/json", binary=False)]

ASSETS = StaticFiles(directory=swagger_ui_bundle.swagger_ui_path)


def _page(name: str, **values: object) -> HTMLResponse:
    return HTMLResponse(PAGES.get_template(name).render(**values), headers=SECURITY_HEADERS)


@operation("GET", "/docs/assets/{path:path}", public=True, documented=False)
async def get_asset(request: Request[Any], path: str) -> Asset:
    """A file of Swagger UI."""
    return await ASSETS.get_response(path, request.scope)


def docs_routes(*, title: str, about: Landing, routes: Sequence[Route]) -> list[Route]:
    """The pages for people and the document for programs.

    Args:
        title: the entry's name.
        about: its description.
        routes: of the document.
    """

    @operation("GET", "/", public=True, documented=False)
    async def get_landing_page(request: Request[Any]) -> Page:
        """The entry's state, kept up to date by the page itself."""
        language = preferred_language(request.headers)
        return _page(
            "landing.html",
            title=title,
            language=language,
            description=about.chinese if language == "zh" else about.english,
            self_tests=about.self_tests,
            words=WORDS[language],
        )

    @operation("GET", "/docs", public=True, documented=False)
    async def get_docs_page(_: Request[Any]) -> Page:
        """Lets a developer try each call."""
        return _page("docs.html", title=title)

    @cache
    def document() -> dict[str, Any]:
        return openapi_document(title=title, description=about.english, routes=routes)

    @operation("GET", "/openapi.json", public=True, documented=False)
    async def get_document(_: Request[Any]) -> Document:
        """The OpenAPI document, built on first use."""
        return JSONResponse(document())

    return [get_landing_page, get_docs_page, get_asset, get_document]
