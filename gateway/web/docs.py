"""``/docs`` (Swagger UI, shipped with the image) and the landing page; neither loads anything from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import swagger_ui_bundle  # type: ignore[import-untyped]
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from gateway.domain.errors import Language
from gateway.web.language import preferred_language
from gateway.web.routing import Route

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
    """What an entry says about itself on its first page.

    Attributes:
        chinese: one sentence on it.
        english: the same in English.
        self_tests: commands that tell whether it works; ``ENTRY`` stands for its address.
    """

    chinese: str
    english: str
    self_tests: tuple[str, ...]


WORDS: dict[Language, dict[str, Any]] = {
    "zh": {
        "docs": "接口文档",
        "try_it": "自检",
        "mode": "运行模式",
        "modes": {"preview": "预览（无 GPU 的替身引擎）", "gpu": "GPU"},
        "model": "模型",
        "rate": "采样率",
        "queue": "排队",
        "version": "版本",
        "gone": "无法连接此服务",
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
        "gone": "This service can't be reached",
    },
}


def _page(name: str, **values: object) -> Response:
    return HTMLResponse(PAGES.get_template(name).render(**values), headers=SECURITY_HEADERS)


def docs_routes(*, title: str, about: Landing) -> list[BaseRoute]:
    """The pages for people: ``/`` tells the state, ``/docs`` lets a developer try each call."""

    async def landing(request: Request) -> Response:
        language = preferred_language(request.headers)
        return _page(
            "landing.html",
            title=title,
            language=language,
            description=about.chinese if language == "zh" else about.english,
            self_tests=about.self_tests,
            words=WORDS[language],
        )

    async def docs(_: Request) -> Response:
        return _page("docs.html", title=title)

    return [
        Route("/", landing),
        Route("/docs", docs),
        Mount("/docs/assets", StaticFiles(directory=swagger_ui_bundle.swagger_ui_path)),
    ]
