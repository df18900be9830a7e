"""`python -m test_host create|destroy|engine|demo-up|demo-down`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from test_host import demo, engine, image
from test_host.errors import HostError
from test_host.host import Host
from test_host.standin import docker_ce, nvidia

STATE = Path(".cache/test-host")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a HostError becomes one sentence on standard error and exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except HostError as error:
        print(f"twinport: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("twinport: stopped; run the same command again to go on.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m test_host", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    create = commands.add_parser("create", help="build the image where needed and boot a host")
    create.add_argument("--name", required=True)
    create.add_argument("--suite", default="trixie", choices=image.SUITES)
    create.add_argument("--publish", type=int, nargs="*", default=[], metavar="PORT", help="on 127.0.0.1")
    create.add_argument("--network", default="bridge")
    create.add_argument(
        "--docker-ce",
        action="store_true",
        help=f"put a stand-in Docker CE archive into {docker_ce.HOST_FOLDER}",
    )
    create.add_argument(
        "--gpu",
        metavar="STATE",
        help=f"a stand-in NVIDIA driver in this state, and its toolkit's archive in {nvidia.TOOLKIT.host_folder}",
    )
    create.set_defaults(run=_create)

    destroy = commands.add_parser("destroy", help="remove a host and its data")
    destroy.add_argument("--name", required=True)
    destroy.set_defaults(run=lambda options: Host(options.name).destroy())

    running = commands.add_parser("engine", help="make sure that a Docker engine runs on this machine")
    running.set_defaults(run=lambda _: engine.require(STATE))

    up = commands.add_parser("demo-up", help="what `make demo` runs")
    up.set_defaults(run=lambda _: demo.up(STATE))
    down = commands.add_parser("demo-down", help="what `make demo-down` runs")
    down.set_defaults(run=lambda _: demo.down(STATE))
    return parser


def _create(options: argparse.Namespace) -> None:
    engine.require(STATE)
    host = Host(options.name, tuple(options.publish), options.network)
    host.create(image.ensure(options.suite))
    if options.docker_ce:
        docker_ce.provide(host, STATE)
    if options.gpu:
        nvidia.provide(host, STATE, options.gpu)


if __name__ == "__main__":
    sys.exit(main())
