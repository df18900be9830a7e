"""The server in front of both entries: HAProxy itself with the role's own configuration, on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml

from tests.support.servers import ROOT, Server, free_port, running

ROLE = ROOT / "roles/front"
# Nobody listens there.
NOBODY = "127.0.0.1:9"


@dataclass
class Front:
    """HAProxy in front of both entries."""

    process: Server
    voice: str
    video: str
    voice_port: int
    video_port: int


def settings(**changed: object) -> dict[str, Any]:
    """The role's variables as on a host whose inventory says nothing about them."""
    own = {
        **yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8")),
        **yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8")),
    }
    return {**own, "ansible_managed": "Ansible managed", "front_hosts": ["gpu-1.example"], **changed}


def configuration(**changed: object) -> str:
    """The text of haproxy.cfg."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML
    )
    return environment.get_template("haproxy.cfg.j2").render(settings(**changed))


def haproxy() -> str:
    """The program; Debian keeps it where only root looks."""
    found = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert found, "haproxy is missing: make tools"
    return found


@contextmanager
def running_front(folder: Path, *, voice: str = NOBODY, video: str = NOBODY, **changed: object) -> Iterator[Front]:
    """HAProxy before these servers.

    Args:
        folder: where its configuration and log go.
        voice: host and port of the voice gateway.
        video: host and port of the video gateway.
        changed: variables of the role.
    """
    folder.mkdir(parents=True, exist_ok=True)
    voice_port, video_port, alive = free_port(), free_port(), free_port()
    text = configuration(
        **{
            "_front_entries": [
                {"name": "voice", "port": voice_port, "server": voice},
                {"name": "video", "port": video_port, "server": video},
            ],
            "_front_bind": "127.0.0.1",
            "_front_alive_bind": f"127.0.0.1:{alive}",
            "_front_resolver": "",
            **changed,
        }
    )
    file = folder / "haproxy.cfg"
    file.write_text(text, encoding="utf-8")
    server = Server("haproxy", [haproxy(), "-db", "-f", str(file)], {}, alive, folder / "haproxy.log", "/alive")
    with running(server):
        yield Front(server, f"http://127.0.0.1:{voice_port}", f"http://127.0.0.1:{video_port}", voice_port, video_port)
