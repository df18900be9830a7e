"""A container that is taken over is stopped for good, and noted as it was before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.played_roles import play, stand_in

DOCKER = """\
#!/bin/bash
cd "$(dirname "$0")"
case $1 in
  inspect) echo "on-failure:3 true" ;;
  *) cat etc/taken-over.txt; echo "$*" >>calls ;;
esac
"""


@pytest.mark.parametrize(("ours", "kept"), [("speech", "speech-by-hand"), ("engine", "speech")])
def test_it_is_noted_before_anything_is_done_to_it(tmp_path: Path, ours: str, kept: str) -> None:
    stand_in(tmp_path, "docker", DOCKER)
    variables = {
        "compose_stack_config_dir": str(tmp_path / "etc"),
        "_compose_stack_names": [ours],
        "_compose_stack_container": {"name": "speech", "image": "cosyvoice", "ports": "", "state": "running"},
    }
    status, output = play("compose_stack", "take_over.yml", variables, programs=tmp_path)
    assert status == 0, output
    assert (tmp_path / "etc" / "taken-over.txt").read_text() == f"{kept} speech on-failure:3 true\n"
    renamed = [] if kept == "speech" else [f"rename speech {kept}"]
    assert (tmp_path / "calls").read_text().splitlines() == ["update --restart=no speech", "stop speech", *renamed]
