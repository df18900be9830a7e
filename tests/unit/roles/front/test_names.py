"""What the roles that ask the entries learn of the front's certificate: played for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.certificates import make_certificate
from tests.support.played_roles import play

pytestmark = pytest.mark.slow

SHOW = """\
    - ansible.builtin.include_role: {name: self_test, tasks_from: report.yml}
      vars:
        self_test_report_dir: ""
        self_test_inside: {ok: true, checks: []}
    - ansible.builtin.copy:
        content: "{{ front_tls_check }}"
        dest: "{{ found_file }}"
        mode: "0600"
"""


def learned(folder: Path, **variables: object) -> tuple[str, str]:
    """The fact that the front's tasks leave, and what the self test tells the user."""
    found = folder / "found"
    status, output = play(
        "front", "names.yml", {"found_file": str(found), **variables}, programs=folder, further_tasks=SHOW
    )
    assert status == 0, output
    return found.read_text(), output


def test_plain_http_needs_no_certificate(tmp_path: Path) -> None:
    check, output = learned(tmp_path, ansible_host="203.0.113.10")
    assert check == "{}"
    assert "CLOUD_VOICE_SERVER_URL=http://203.0.113.10" in output


def test_the_certificate_is_handed_on_and_its_key_is_not(tmp_path: Path) -> None:
    made = make_certificate(tmp_path, "voice.example")
    tls = {"front_tls": "files", "front_tls_pem": str(made.pem), "front_tls_name": "voice.example"}
    check, output = learned(tmp_path, ansible_host="203.0.113.10", **tls)
    assert "voice.example" in check
    assert made.certificate.read_text().splitlines()[1] in check
    assert "PRIVATE KEY" not in check
    assert "CLOUD_VOICE_SERVER_URL=https://voice.example" in output


def test_without_a_name_the_hosts_address_is_asked_for(tmp_path: Path) -> None:
    made = make_certificate(tmp_path, "gpu-1.example")
    tls = {"front_tls": "files", "front_tls_pem": str(made.pem)}
    check, output = learned(tmp_path, ansible_host="gpu-1.example", **tls)
    assert "gpu-1.example" in check
    assert "CLOUD_GPU_SERVER_URL=https://gpu-1.example" in output
