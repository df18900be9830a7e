"""What systemd reads from the drop-in with Docker's proxy is what the inventory says, whatever the password."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import StrictUndefined, Template

TEMPLATE = Path("roles/docker/templates/proxy.conf.j2").read_text(encoding="utf-8")


def rendered(**variables: str) -> str:
    """The drop-in as Ansible's module `template` writes it."""
    values = {"docker_http_proxy": "", "docker_https_proxy": "", "docker_no_proxy": "", **variables}
    return Template(TEMPLATE, trim_blocks=True, undefined=StrictUndefined).render(values)


def read(line: str) -> str:
    """An assignment between double quotes, as systemd.syntax(7) and systemd.unit(5) have it read."""
    found = re.fullmatch(r'Environment="((?:[^"\\%]|\\[\\"]|%%)*)"', line)
    assert found, line
    return re.sub(r"\\(.)", r"\1", found.group(1)).replace("%%", "%")


@pytest.mark.parametrize("password", ["p%40ss", "50%", "%", 'a"b', "a\\b", "a\\", "$HOME", "a'b", "%%"])
def test_a_password_reaches_docker_as_it_is(password: str) -> None:
    address = f"http://me:{password}@proxy.example:3128"
    lines = rendered(docker_http_proxy=address, docker_https_proxy=address, docker_no_proxy=password).splitlines()
    assert lines[1] == "[Service]"
    assert [read(line) for line in lines[2:]] == [
        f"HTTP_PROXY={address}",
        f"HTTPS_PROXY={address}",
        f"NO_PROXY={password}",
    ]


def test_what_is_not_set_is_not_written() -> None:
    assert rendered(docker_http_proxy="http://proxy.example").splitlines()[2:] == [
        'Environment="HTTP_PROXY=http://proxy.example"'
    ]
