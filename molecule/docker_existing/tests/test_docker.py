"""A Docker that was there before goes on as it was, and does what we need besides."""

from __future__ import annotations

import json

from testinfra.host import Host


def daemon_json(host: Host) -> dict[str, object]:
    """Docker's settings."""
    document = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert isinstance(document, dict)
    return document


def is_old(host: Host) -> bool:
    """Whether this is the host whose Docker had no compose v2."""
    return str(host.backend.get_hostname()) == "twinport-old-docker"


def test_foreign_settings_are_kept_and_ours_are_beside_them(host: Host) -> None:
    settings = daemon_json(host)
    assert settings["labels"] == ["owner=somebody"]
    assert settings["max-concurrent-downloads"] == 4
    assert settings["registry-mirrors"] == ["https://mirror.example.invalid"]
    assert settings["live-restore"] is True


def test_log_options_of_another_driver_are_not_added(host: Host) -> None:
    settings = daemon_json(host)
    assert settings["log-driver"] == "journald"
    assert "log-opts" not in settings


def test_docker_has_loaded_the_settings(host: Host) -> None:
    info = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert info["LoggingDriver"] == "journald"
    assert info["LiveRestoreEnabled"] is True
    assert info["RegistryConfig"]["Mirrors"] == ["https://mirror.example.invalid/"]
    # Docker shows that there are a name and a password, and neither of them.
    assert info["HttpsProxy"] == "http://xxxxx:xxxxx@proxy.example.invalid:3128"
    assert not host.file("/run/twinport-docker-restart-due").exists


def test_the_containers_at_work_were_never_stopped(host: Host) -> None:
    pids = host.file("/root/pids").content_string.strip()
    assert host.check_output("docker inspect --format '{{.State.Pid}}' somebodys shop") == pids


def test_the_engine_is_the_one_that_was_there(host: Host) -> None:
    assert host.check_output("dpkg-query -W docker.io containerd") == host.file("/root/packages").content_string.strip()


def test_compose_and_buildx_are_good_enough(host: Host) -> None:
    assert tuple(
        map(int, host.check_output("docker compose version --short").lstrip("v").split("-")[0].split("."))
    ) >= (2, 17)
    assert host.run("docker buildx version").rc == 0


def test_the_old_repository_entry_is_switched_off_not_lost(host: Host) -> None:
    if is_old(host):
        lines = host.file("/etc/apt/sources.list.d/docker.list").content_string.splitlines()
        assert lines == [
            "# switched off by twinport: deb [arch=amd64] https://download.docker.com/linux/debian bookworm stable"
        ]
        assert host.run("apt-get -qq update").rc == 0


def test_the_extra_authority_is_trusted_by_every_program(host: Host) -> None:
    bundle = host.file("/etc/ssl/certs/ca-certificates.crt").content_string
    own = host.file("/usr/local/share/ca-certificates/twinport-authority.crt").content_string
    assert own.strip() in bundle


def test_a_password_with_a_percent_sign_reaches_docker(host: Host) -> None:
    environment = host.check_output("tr '\\0' '\\n' </proc/$(systemctl show --property=MainPID --value docker)/environ")
    assert "HTTPS_PROXY=http://me:p%40ss%25@proxy.example.invalid:3128" in environment.splitlines()


def test_a_password_in_the_proxys_address_is_for_root_only(host: Host) -> None:
    assert host.file("/etc/systemd/system/docker.service.d/twinport-proxy.conf").mode == 0o600
