"""A broken and an unreachable host never stop the others; uninstall restores a host as it was found."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCENARIO = Path(__file__).resolve().parent.parent
PROJECT = SCENARIO.parent.parent
PLAIN, IN_USE, BROKEN, UNREACHABLE = (f"twinport-fleet-{kind}" for kind in ("plain", "in-use", "broken", "unreachable"))
HEALTHY = (PLAIN, IN_USE)
FOLDERS = "/etc/apt /etc/docker /etc/systemd/system /etc/ufw /etc/udev /usr/local /opt /var/lib/twinport /etc/twinport"
# The packages that stay bring these along; daemon.json is compared by what it says.
FROM_PACKAGES = (
    "docker.service",
    "docker.socket",
    "containerd.service",
    "/etc/docker/key.json",
    "/etc/docker/daemon.json",
    # ufw's own spelling of its rules; `ufw status` is what is compared.
    "/etc/ufw/user.rules",
    "/etc/ufw/user6.rules",
)


@dataclass(frozen=True)
class Run:
    """How a playbook ended: exit status, output, counts by host and kind, and what failed or changed."""

    status: int
    text: str
    stats: dict[str, dict[str, int]]
    news: list[str]


def play(playbook: str, *arguments: str) -> Run:
    """Run a playbook against the four hosts."""
    done = subprocess.run(
        ["ansible-playbook", f"--inventory={SCENARIO}/inventory/", playbook, *arguments],
        cwd=PROJECT,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            # The project's own one would print between the lines of the report.
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.timer",
        },
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    report, _end = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{\n") :])
    news = [
        f"{host}: {task['task']['name']}: {result.get('msg', 'changed')}"
        for one_play in report["plays"]
        for task in one_play["tasks"]
        for host, result in task["hosts"].items()
        if result.get("failed") or result.get("changed")
    ]
    return Run(done.returncode, done.stdout, report["stats"], news)


def on(host: str, command: str) -> str:
    """What a shell command prints on a host; a failing command fails the test."""
    return subprocess.run(
        ["docker", "exec", host, "sh", "-c", command], capture_output=True, text=True, timeout=60, check=True
    ).stdout


def state(host: str) -> dict[str, object]:
    """What uninstall has to give back."""
    files = on(host, f"find {FOLDERS} -type f -exec sha256sum {{}} + -o -type l -print 2>/dev/null || true")
    return {
        "files": {line for line in files.splitlines() if not line.endswith(FROM_PACKAGES) and ".wants/" not in line},
        "authorities": set(on(host, "ls /etc/ssl/certs /usr/local/share/ca-certificates 2>/dev/null || true").split()),
        # SSH stays open in any case.
        "ufw": set(on(host, "ufw status 2>/dev/null | grep -v ^22/tcp || true").splitlines()),
        "daemon.json": json.loads(on(host, "cat /etc/docker/daemon.json 2>/dev/null || echo '{}'")),
        "tables": {line for line in on(host, "nft list tables 2>/dev/null || true").splitlines() if "twinport" in line},
    }


def differences(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    """What has changed, by kind: both values, or for sets the removed and the new members."""
    return {
        kind: (was - now, now - was) if isinstance(was, set) and isinstance(now, set) else (was, now)
        for kind, was in before.items()
        if (now := after[kind]) != was
    }


@pytest.fixture(scope="module")
def before() -> dict[str, dict[str, object]]:
    """The sound hosts as they were found."""
    return {host: state(host) for host in HEALTHY}


@pytest.fixture(scope="module")
def prepared(before: dict[str, dict[str, object]]) -> Run:
    """The first stages of site.yml on all four."""
    assert set(before) == set(HEALTHY)
    return play("site.yml", "--tags=preflight,host")


@pytest.fixture(scope="module")
def uninstalled(prepared: Run) -> Run:
    """Uninstalled from all four, after some data has come together."""
    assert prepared.status
    for host in HEALTHY:
        on(host, "mkdir -p /var/lib/twinport/voice_data && echo voice > /var/lib/twinport/voice_data/kept")
        for project in ("twinport-voice", "somebodys"):  # an earlier version's network, and another program's
            labels = f"--label com.docker.compose.project={project} --label com.docker.compose.network=inner"
            on(host, f"docker network create {labels} {project}_inner")
    return play("playbooks/uninstall.yml")


def test_a_broken_host_never_stops_the_others(prepared: Run) -> None:
    assert prepared.status != 0
    assert prepared.stats[BROKEN]["failures"] == 1
    assert prepared.stats[UNREACHABLE]["unreachable"] == 1
    for host in HEALTHY:
        assert (prepared.stats[host]["failures"], prepared.stats[host]["unreachable"]) == (0, 0), prepared.news
        assert on(host, "docker info --format '{{.ServerVersion}}'").strip()
        assert "chain inbound" in on(host, "nft list table inet twinport")


def test_the_broken_host_s_fault_is_reported(prepared: Run) -> None:
    assert "/etc/docker/daemon.json" in prepared.text
    assert on(BROKEN, "cat /etc/docker/daemon.json") == '{"data-root": "/data",}'


def test_the_second_run_changes_nothing(prepared: Run) -> None:
    again = play("site.yml", "--tags=preflight,host")

    assert prepared.stats[PLAIN]["changed"] > 0
    assert {host: again.stats[host]["changed"] for host in HEALTHY} == dict.fromkeys(HEALTHY, 0), again.news


def test_status_shows_all_four(prepared: Run) -> None:
    assert prepared.stats[PLAIN]["ok"] > 0
    shown = play("playbooks/status.yml")
    report = json.loads((PROJECT / "reports" / "status.json").read_text(encoding="utf-8"))

    assert shown.status == 0, shown.news
    for host in (PLAIN, IN_USE, BROKEN, UNREACHABLE):
        assert host in report
        assert f"{host}: " in shown.text
    assert report[UNREACHABLE].get("unreachable") is True
    told = {row["name"]: row["ok"] for row in report[PLAIN]["rows"]}
    assert told["disk"] is True
    assert told["cosyvoice-engine"] is told["duix-avatar-gen-video"] is False


def test_uninstall_restores_the_host_and_keeps_the_data(before: dict[str, dict[str, object]], uninstalled: Run) -> None:
    for host in HEALTHY:
        assert uninstalled.stats[host]["failures"] == 0, uninstalled.news
        assert on(host, "cat /var/lib/twinport/voice_data/kept") == "voice\n"
        assert on(host, "docker network ls --format '{{.Name}}' | grep _inner") == "somebodys_inner\n"
        after = state(host)
        after["files"] = {line for line in after["files"] if "voice_data/kept" not in line}  # type: ignore[attr-defined]
        assert differences(before[host], after) == {}


def test_the_port_that_was_open_before_stays_open(uninstalled: Run) -> None:
    assert uninstalled.stats[IN_USE]["failures"] == 0
    rules = on(IN_USE, "ufw status")

    assert "9090/tcp" in rules
    assert "8383/tcp" not in rules


def test_the_second_uninstall_changes_nothing(uninstalled: Run) -> None:
    assert uninstalled.stats[PLAIN]["changed"] > 0
    again = play("playbooks/uninstall.yml")

    assert {host: again.stats[host]["changed"] for host in HEALTHY} == dict.fromkeys(HEALTHY, 0), again.news


def test_data_are_deleted_on_request(uninstalled: Run) -> None:
    assert uninstalled.stats[PLAIN]["failures"] == 0
    play("playbooks/uninstall.yml", "--extra-vars=uninstall_data=true")

    for host in HEALTHY:
        assert on(host, "ls -d /var/lib/twinport /etc/twinport /opt/twinport 2>/dev/null || true") == ""
