"""A port's holder is called what its administrator calls it, with the command that frees the port."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from module_utils.preflight import holder_probe
from module_utils.preflight.holder_probe import Holder, holder_of

SOCKETS = """\
/run/dbus/system_bus_socket dbus.socket dbus.service
[::]:9090                   cockpit.socket cockpit.service
0.0.0.0:19090               other.socket   other.service
"""
ID = "0123456789ab" + "c" * 52


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with programs that a test adds, dpkg, and one socket that systemd holds."""

    def output_of(command: Sequence[str], seconds: float = 10) -> str:
        words = " ".join(command)
        answers = {
            "systemctl list-sockets": SOCKETS,
            "systemctl show --property=FragmentPath --value cockpit.socket": "/lib/systemd/system/cockpit.socket\n",
            "dpkg-query --search /lib/systemd/system/cockpit.socket": "cockpit-ws: /lib/systemd/system/cockpit.socket",
            "dpkg-query --search /usr/sbin/nginx": "nginx-core: /usr/sbin/nginx\n",
            "docker inspect --format {{.Name}} 0123456789ab": "/shop\n",
            "podman inspect --format {{.Name}} 0123456789ab": "panel\n",
        }
        return next((answer for start, answer in answers.items() if words.startswith(start)), "")

    monkeypatch.setattr(holder_probe, "PROC", tmp_path)
    monkeypatch.setattr(holder_probe, "output_of", output_of)
    monkeypatch.setattr(holder_probe.shutil, "which", lambda name: "/usr/bin/" + name)
    return tmp_path


def add(proc: Path, pid: int, name: str, cgroup: str, *, inode: int = 7, program: str = "/opt/x") -> None:
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "fd" / "5").symlink_to(f"socket:[{inode}]")
    (folder / "exe").symlink_to(program)
    (folder / "comm").write_text(name + "\n")
    (folder / "cgroup").write_text(cgroup + "\n")


def test_systemd_is_called_by_the_socket_that_it_holds(proc: Path) -> None:
    add(proc, 1, "systemd", "0::/init.scope")
    assert holder_of(9090, {7}) == Holder(
        "cockpit.socket, package cockpit-ws", "systemctl disable --now cockpit.socket"
    )


def test_a_service_is_called_by_its_unit_and_package(proc: Path) -> None:
    add(proc, 70, "nginx", "0::/system.slice/nginx.service", program="/usr/sbin/nginx")
    add(proc, 71, "nginx", "0::/system.slice/nginx.service", program="/usr/sbin/nginx")
    assert holder_of(8383, {7}) == Holder(
        "nginx.service (nginx, process 70, package nginx-core)", "systemctl disable --now nginx.service"
    )


def test_cgroups_of_version_one_name_the_unit_too(proc: Path) -> None:
    add(proc, 70, "bt", "12:pids:/system.slice/bt.service\n1:name=systemd:/system.slice/bt.service")
    assert holder_of(8383, {7}).cure == "systemctl disable --now bt.service"


@pytest.mark.parametrize(
    ("cgroup", "cure"),
    [
        (f"0::/system.slice/docker-{ID}.scope", "docker stop shop"),
        (f"4:pids:/docker/{ID}", "docker stop shop"),
        (f"0::/machine.slice/libpod-{ID}.scope/container", "podman stop panel"),
        (f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", "podman stop panel"),
        ("0::/system.slice/snap.prometheus.prometheus.service", "snap stop --disable prometheus"),
        ("0::/user.slice/user-0.slice/session-3.scope", "kill 70"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/run.service", "kill 70"),
        ("0::/", "kill 70"),
    ],
)
def test_what_frees_the_port_depends_on_who_started_it(proc: Path, cgroup: str, cure: str) -> None:
    add(proc, 70, "node", cgroup)
    assert holder_of(8383, {7}).cure == cure


def test_a_host_that_is_itself_a_container_has_services_and_containers(proc: Path) -> None:
    own = "/docker/" + "f" * 64
    add(proc, 1, "systemd", f"9:pids:{own}\n0::{own}/init.scope", inode=1)
    add(proc, 70, "panel", f"9:pids:{own}/system.slice/bt.service\n0::{own}/system.slice/bt.service")
    add(proc, 71, "node", f"0::{own}/system.slice/docker-{ID}.scope", inode=8)
    assert holder_of(8888, {7}).cure == "systemctl disable --now bt.service"
    assert holder_of(8080, {8}).cure == "docker stop shop"


def test_a_socket_that_nobody_shows_is_still_reported(proc: Path) -> None:
    assert holder_of(8383, {7}) == Holder("an unknown process", "")
    assert list(proc.iterdir()) == []
