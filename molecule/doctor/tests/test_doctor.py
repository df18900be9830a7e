"""The doctor that stays on the host: program, timer, report."""

from __future__ import annotations

import json

from testinfra.host import Host


def test_the_program_finds_everything_healthy(host: Host) -> None:
    done = host.run("twinport-doctor check --json")
    report = json.loads(done.stdout)
    assert (done.rc, report["healthy"], report["findings"]) == (0, True, [])
    assert {container["state"] for container in report["containers"]} == {"healthy"}


def test_the_report_is_for_everyone_and_the_memory_is_not(host: Host) -> None:
    assert host.file("/var/lib/twinport/doctor/report.json").mode == 0o644
    assert host.file("/var/lib/twinport/doctor/state.json").mode == 0o600
    assert json.loads(host.file("/var/lib/twinport/doctor/report.json").content_string)["schema"] == 1


def test_the_timer_runs_and_its_service_works(host: Host) -> None:
    timer = host.service("twinport-doctor.timer")
    assert timer.is_enabled
    assert timer.is_running
    assert host.run("systemctl start twinport-doctor.service").rc == 0
    assert "healthy" in host.run("journalctl --unit twinport-doctor.service --no-pager").stdout


def test_the_timer_cures_what_falls_ill(host: Host) -> None:
    host.run("docker exec no-result-folder rm -rf /code/data/result")
    assert "9999" in host.run("docker exec no-result-folder python3 /srv/ask.py video").stdout
    assert host.run("systemctl start twinport-doctor.service").rc == 0
    assert "10000" in host.run("docker exec no-result-folder python3 /srv/ask.py video").stdout
    assert host.run("twinport-doctor status").rc == 0


def test_the_old_server_file_is_kept(host: Host) -> None:
    kept = host.run("ls /var/lib/twinport/doctor/kept/old-instructions").stdout.split()
    assert [name for name in kept if name.startswith("server.py.")]
