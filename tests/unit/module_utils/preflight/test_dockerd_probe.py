"""Whether Docker would start, found out on hosts with stand-ins for systemctl, journalctl and dockerd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from module_utils import dockerd_unit
from module_utils.dockerd_flags import USUAL_UNIT
from module_utils.preflight import dockerd_probe
from module_utils.preflight.dockerd_probe import ask_dockerd
from module_utils.preflight.dockerd_state import DockerdState
from tests.support.played_roles import stand_in

SYSTEMCTL = """\
#!/bin/sh
case "$1" in
cat) cat "{folder}/unit" ;;
show) cat "{folder}/states" ;;
esac
"""
DOCKERD = """\
#!/bin/sh
[ "$1" = --help ] && echo "  --validate" && exit 0
echo "$*" >"{folder}/asked"
grep -q nonsense "{folder}/no" && echo "unable to configure the Docker daemon: nonsense" && exit 1
exit 0
"""
JOURNAL = "#!/bin/sh\necho 'failed to start daemon: no space left on device'\n"
RUNNING = "\n\n".join(
    f"Id={name}\nLoadState=loaded\nActiveState=active\nSubState=running"
    for name in ("docker.service", "docker.socket", "containerd.service")
)


class DockerHost:
    """A host whose unit, states and settings are files of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unit(USUAL_UNIT)
        self.states(RUNNING)

    def unit(self, text: str) -> None:
        """What ``systemctl cat docker.service`` says."""
        (self.folder / "unit").write_text(text)

    def states(self, text: str) -> None:
        """What ``systemctl show`` says."""
        (self.folder / "states").write_text(text)

    def settings(self, document: dict[str, Any]) -> None:
        """Write daemon.json."""
        (self.folder / "daemon.json").write_text(json.dumps(document))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DockerHost:
    stand_in(tmp_path / "bin", "systemctl", SYSTEMCTL.format(folder=tmp_path))
    stand_in(tmp_path / "bin", "journalctl", JOURNAL)
    for name in ("sh", "cat", "grep"):
        (tmp_path / "bin" / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(dockerd_probe, "DAEMON_JSON", str(tmp_path / "daemon.json"))
    return DockerHost(tmp_path)


def test_a_docker_in_order_has_nothing_to_say(host: DockerHost) -> None:
    host.settings({"log-driver": "json-file", "runtimes": {"nvidia": {"path": "x"}}})
    assert ask_dockerd({"mtu": 1400}) == DockerdState()


def test_a_host_without_docker_is_judged_by_the_unit_that_will_be_installed(
    host: DockerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.unit("")
    host.states("Id=docker.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead")
    host.settings({"hosts": ["fd://", "tcp://0.0.0.0:2375"]})
    monkeypatch.setattr(dockerd_unit, "_DROPINS", host.folder / "docker.service.d")
    assert ask_dockerd({}).clashes == (("hosts", "-H fd://"),)
    (host.folder / "docker.service.d").mkdir()
    (host.folder / "docker.service.d/own.conf").write_text("[Service]\nExecStart=\nExecStart=/usr/bin/dockerd\n")
    assert ask_dockerd({}).clashes == ()


def test_what_the_inventory_sets_clashes_too(host: DockerHost) -> None:
    host.unit(USUAL_UNIT.replace("$DOCKER_OPTS", "--bip 10.0.0.1/24"))
    assert ask_dockerd({"bip": "10.1.0.1/24"}).clashes == (("bip", "--bip 10.0.0.1/24"),)


def test_without_dockerd_a_misspelt_setting_is_found(host: DockerHost) -> None:
    host.settings({"registry_mirrors": ["https://m.example"]})
    assert ask_dockerd({}).unknown == ("registry_mirrors",)


def test_an_installed_dockerd_is_asked_with_its_flags(host: DockerHost) -> None:
    stand_in(host.folder / "bin", "dockerd", DOCKERD.format(folder=host.folder))
    (host.folder / "no").write_text("nonsense")
    host.settings({"nonsense": 1})
    assert "nonsense" in ask_dockerd({}).refusal
    asked = (host.folder / "asked").read_text()
    assert asked.startswith("--validate -H fd:// --containerd=/run/containerd/containerd.sock --config-file ")
    (host.folder / "no").write_text("")
    assert ask_dockerd({}) == DockerdState()


@pytest.mark.parametrize(
    "state", ["ActiveState=failed\nSubState=failed", "ActiveState=activating\nSubState=auto-restart"]
)
def test_a_unit_that_failed_brings_its_last_words(host: DockerHost, state: str) -> None:
    host.states(f"Id=docker.service\nLoadState=loaded\n{state}")
    assert ask_dockerd({}).failed == (("docker.service", "failed to start daemon: no space left on device"),)


def test_a_masked_unit_is_named(host: DockerHost) -> None:
    host.states("Id=docker.service\nLoadState=masked\nActiveState=inactive\nSubState=dead")
    assert ask_dockerd({}).masked == ("docker.service",)


def test_settings_that_cant_be_read_are_left_to_their_own_row(host: DockerHost) -> None:
    (host.folder / "daemon.json").write_text("{")
    assert ask_dockerd({"hosts": []}) == DockerdState()
