"""A stack's end also takes the networks of its earlier versions along."""

from __future__ import annotations

from pathlib import Path

from tests.support.docker_networks import DockerNetworks
from tests.support.played_roles import play


def test_networks_of_an_earlier_version_go_and_others_stay(tmp_path: Path) -> None:
    docker = DockerNetworks(tmp_path)
    for project in ("twinport-voice", "somebodys"):
        docker.add(project, "inner")
    docker.add("twinport-voice", "used", containers=[("attached", "")])
    variables = {
        "compose_stack_name": "voice",
        "compose_stack_root": str(tmp_path / "root"),
        "compose_stack_config_dir": str(tmp_path / "config"),
    }
    status, output = play("compose_stack", "remove.yml", variables, programs=docker.programs)
    assert status == 0, output
    assert docker.names == ["somebodys_inner", "twinport-voice_used"]
