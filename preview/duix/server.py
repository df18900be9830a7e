"""HTTP front of the stand-in, and its command line."""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from preview.duix.engine import Engine
from preview.duix.faults import Behaviour, Fault
from preview.duix.media import MediaFolder

LOG = logging.getLogger("service.self_logger")
LOG_FORMAT = "%(asctime)s-[%(name)s]-%(filename)s[line:%(lineno)d]-%(levelname)s: %(message)s"
SERVER_ERROR = "<!doctype html>\n<title>500 Internal Server Error</title>\n<h1>Internal Server Error</h1>\n"
SOME_PAGE = "<!doctype html>\n<title>Welcome</title>\n<h1>It works!</h1>\n"


class Misanswer:
    """Middleware that answers every request wrongly, for the faults that concern HTTP itself."""

    def __init__(self, app: ASGIApp, fault: Fault) -> None:
        self._app = app
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or fail to."""
        target: ASGIApp = self._app
        if scope["type"] == "http":
            if self._fault is Fault.SILENT:
                await asyncio.Event().wait()
            if self._fault is Fault.HTTP_500:
                target = HTMLResponse(SERVER_ERROR, 500)
            if self._fault is Fault.HTML:
                target = HTMLResponse(SOME_PAGE)
        await target(scope, receive, send)


def engine_response(body: dict[str, object]) -> Response:
    """The engine's JSON has Flask's default content type."""
    return HTMLResponse(json.dumps(body, ensure_ascii=False, indent=4, sort_keys=True))


def submit_route(engine: Engine) -> Callable[[Request], Awaitable[Response]]:
    """`POST /easy/submit`; broken JSON or no `code` is a plain 500, as in new images."""

    async def submit(request: Request) -> Response:
        try:
            return engine_response(engine.submit(json.loads(await request.body())))
        except (ValueError, KeyError, TypeError):
            LOG.exception("Exception on /easy/submit [POST]")
            return HTMLResponse(SERVER_ERROR, 500)

    return submit


def query_route(engine: Engine) -> Callable[[Request], Awaitable[Response]]:
    """`GET /easy/query?code=C`."""

    async def query(request: Request) -> Response:
        return engine_response(await run_in_threadpool(engine.query, request.query_params.get("code")))

    return query


def create_app(*, engine: Engine, fault: Fault) -> Starlette:
    """The engine's two routes; it has no others."""
    return Starlette(
        routes=[
            Route("/easy/submit", submit_route(engine), methods=["POST"]),
            Route("/easy/query", query_route(engine), methods=["GET"]),
        ],
        middleware=[Middleware(Misanswer, fault=fault)],
    )


async def hang_up(host: str, port: int) -> None:
    """Accept connections and close each without a byte."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), host, port)
    await server.serve_forever()


def configure_log(folder: MediaFolder) -> None:
    """Log to stdout and to `log/dh.log` in the format of the newer images."""
    handlers: list[logging.Handler] = [
        logging.StreamHandler(sys.stdout),
        logging.FileHandler(folder.root / "log" / "dh.log", encoding="utf-8"),
    ]
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, handlers=handlers)


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m preview duix", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - as the engine does
    parser.add_argument("--port", type=int, default=8383, help="port to listen on")
    parser.add_argument("--data-dir", type=Path, default=Path("/code/data"), help="what the engine calls /code/data")
    parser.add_argument("--start-delay", type=float, default=0.0, help="seconds before the port opens (real: 15)")
    parser.add_argument("--warm-up", type=float, default=0.0, help="seconds in which tasks fail (real: 20)")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds of work per second of video (RTX 4090: 1.5)")
    parser.add_argument("--fault", type=Fault, choices=list(Fault), default=Fault.NONE, help="how to misbehave")
    parser.add_argument("--fault-tasks", type=int, default=0, help="only the first N tasks meet the fault (0: all)")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run the stand-in until it is stopped."""
    options = parse(argv)
    folder = MediaFolder(options.data_dir)
    folder.prepare()
    configure_log(folder)
    behaviour = Behaviour(options.fault, options.fault_tasks, options.pace, options.warm_up)
    LOG.info("TransDhTask init")
    time.sleep(options.start_delay)
    LOG.info("av_transfer load success")
    if behaviour.fault is Fault.HANG_UP:
        asyncio.run(hang_up(options.host, options.port))
        return 0
    app = create_app(engine=Engine(folder, behaviour), fault=behaviour.fault)
    LOG.info("******************* TransDhServer服务启动 *******************")
    LOG.info(" * Running on all addresses (%s)", options.host)
    uvicorn.run(app, host=options.host, port=options.port, log_config=None, access_log=False)
    return 0
