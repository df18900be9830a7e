"""Where Docker comes from and what is installed, for the hosts that providers hand out."""

from __future__ import annotations

import pytest

from module_utils.docker_installation import (
    CE_ENGINE,
    CE_PLUGINS,
    Docker,
    Plan,
    UnusableDockerError,
    choose,
    classify,
    missing,
    parse_dpkg,
    version_tuple,
)
from module_utils.os_release import OperatingSystem, parse_os_release

MINIMUM = {"engine": "20.10", "compose": "2.17", "buildx": "0.10"}
BOOKWORM = parse_os_release(
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian'
)
TRIXIE = parse_os_release('ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie')
NOBLE = parse_os_release('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble')
ROCKY = parse_os_release('ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"')
ALPINE = parse_os_release('ID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME="Alpine Linux v3.20"')
NONE = Docker()
OLD = Docker(kind="distribution", engine="20.10.24+dfsg1")
GOOD = Docker(kind="other", engine="27.0.3", compose="2.28.1", buildx="v0.15.1")
DISTRIBUTION_13 = ("docker.io", "docker-cli", "docker-buildx", "docker-compose")


@pytest.mark.parametrize(
    ("system", "found", "plan"),
    [
        (BOOKWORM, NONE, Plan("ce", CE_ENGINE + CE_PLUGINS)),
        (TRIXIE, NONE, Plan("distribution", DISTRIBUTION_13)),
        (NOBLE, NONE, Plan("distribution", ("docker.io", "docker-buildx", "docker-compose-v2"))),
        (ROCKY, NONE, Plan("ce", CE_ENGINE + CE_PLUGINS)),
        (BOOKWORM, GOOD, Plan("existing", ())),
        (ALPINE, GOOD, Plan("existing", ())),
        (BOOKWORM, OLD, Plan("ce", CE_PLUGINS)),
        (TRIXIE, OLD, Plan("distribution", ("docker-buildx", "docker-compose"))),
        (TRIXIE, Docker(kind="ce", engine="28.0.1"), Plan("ce", CE_PLUGINS)),
        (BOOKWORM, Docker(kind="ce", engine="19.03.15"), Plan("ce", CE_ENGINE + CE_PLUGINS)),
    ],
)
def test_auto_keeps_what_is_good_and_adds_what_is_missing(system: OperatingSystem, found: Docker, plan: Plan) -> None:
    assert choose("auto", system, found, MINIMUM) == plan


def test_ce_replaces_the_distributions_on_request() -> None:
    assert choose("ce", BOOKWORM, OLD, MINIMUM) == Plan("ce", CE_ENGINE + CE_PLUGINS)


@pytest.mark.parametrize(
    ("wanted", "system", "found", "words"),
    [
        ("auto", NOBLE, Docker(kind="snap"), "snap remove docker"),
        ("auto", ROCKY, Docker(kind="podman"), "podman-docker"),
        ("existing", TRIXIE, NONE, "engine (none) is older than 20.10"),
        ("existing", TRIXIE, OLD, "compose (none) is older than 2.17"),
        ("distribution", BOOKWORM, NONE, "Set docker_source to 'ce'"),
        ("auto", ALPINE, NONE, "by hand"),
    ],
)
def test_what_cannot_be_is_refused_with_its_cure(
    wanted: str, system: OperatingSystem, found: Docker, words: str
) -> None:
    with pytest.raises(UnusableDockerError, match="docker") as refused:
        choose(wanted, system, found, MINIMUM)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("installed", "executable", "kind"),
    [
        ({}, "", "none"),
        ({}, "/snap/bin/docker", "snap"),
        ({}, "/usr/bin/snap", "snap"),
        ({"docker-ce": "5:28.0.1-1"}, "/usr/bin/docker", "ce"),
        ({"docker.io": "26.1.5"}, "/usr/bin/docker", "distribution"),
        ({"podman-docker": "4.9"}, "/usr/bin/docker", "podman"),
        ({}, "/opt/docker/docker", "other"),
    ],
)
def test_a_docker_is_recognised_by_its_packages_and_its_program(
    installed: dict[str, str], executable: str, kind: str
) -> None:
    assert classify(installed, executable) == kind


def test_only_installed_packages_count() -> None:
    listing = "ii \tdocker.io\t26.1.5+dfsg1-9+b5\nrc \tdocker-ce\t5:24.0.7-1\nun \tpodman\t\n"
    assert parse_dpkg(listing) == {"docker.io": "26.1.5+dfsg1-9+b5"}


def test_a_pinned_package_of_another_version_is_missing() -> None:
    installed = {"docker-ce": "5:27.0.1-1", "docker-ce-cli": "5:28.0.1-1"}
    pins = {"docker-ce": "5:28.0.1-1", "docker-ce-cli": "5:28.0.1-1"}
    assert missing(("docker-ce", "docker-ce-cli", "containerd.io"), installed, pins) == [
        "docker-ce=5:28.0.1-1",
        "containerd.io",
    ]


@pytest.mark.parametrize(
    ("text", "version"), [("v2.26.1-4", (2, 26, 1)), ("20.10.24+dfsg1", (20, 10, 24)), ("", ()), ("dev", ())]
)
def test_versions_compare_by_their_numbers(text: str, version: tuple[int, ...]) -> None:
    assert version_tuple(text) == version
