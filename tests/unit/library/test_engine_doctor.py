"""The Ansible module where no container is needed."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from tests.support.doctor_host import CATALOGUE
from tests.support.library_modules import load_library_module

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The Ansible module as a Python module."""
    return load_library_module("engine_doctor")


@pytest.fixture
def bare_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A host with no program at all, hence without Docker."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return tmp_path


def run(module: ModuleType, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        module.main()
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def options(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "catalogue": CATALOGUE,
        "targets": [{"name": "cosyvoice-engine", "engine": "cosyvoice"}],
        "state_dir": str(folder / "state"),
        **more,
    }


def test_check_mode_on_a_host_without_docker_is_honest(
    module: ModuleType, bare_host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = run(module, capsys, **options(bare_host, _ansible_check_mode=True))
    assert (answer["changed"], answer["healthy"], answer["actions"], answer["diff"]) == (False, False, [], [])
    assert [finding["id"] for finding in answer["findings"]] == ["docker-missing"]
    assert not (bare_host / "state").exists()


def test_the_real_run_reports_the_same_and_writes_the_report(
    module: ModuleType, bare_host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = run(module, capsys, **options(bare_host, _ansible_check_mode=True))
    answer = run(module, capsys, **options(bare_host))
    for key in ("changed", "healthy", "actions", "diff", "findings", "table"):
        assert answer[key] == plan[key]
    report = bare_host / "state" / "report.json"
    assert json.loads(report.read_text()) == answer["report"]
    assert report.stat().st_mode & 0o777 == 0o644


def test_the_table_speaks_chinese(module: ModuleType, bare_host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = run(module, capsys, **options(bare_host, language="zh"))
    assert any("未安装 Docker" in line for line in answer["table"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"catalogue": {"schema": 1, "errors": [{"id": "x"}]}}, "error 'x'"),
        ({"targets": [{"name": "x", "engine": "coqui"}]}, "must be one of"),
        ({"allow": ["pray"]}, "pray"),
    ],
)
def test_mistakes_fail_with_a_sentence(
    module: ModuleType,
    bare_host: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    sentence: str,
) -> None:
    answer = run(module, capsys, **{**options(bare_host), **change})
    assert answer["failed"]
    assert sentence in answer["msg"]


def test_the_documentation_describes_every_option(module: ModuleType) -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]

    def compare(spec: dict[str, Any], described: dict[str, Any]) -> None:
        assert set(spec) == set(described)
        for name, option in spec.items():
            for key in ("type", "required", "default", "choices", "elements"):
                assert option.get(key) == described[name].get(key), f"{name}: {key}"
            compare(option.get("options", {}), described[name].get("suboptions", {}))

    compare(module.argument_spec(), documented)


def test_ansible_doc_renders_it() -> None:
    ansible_doc = Path(sys.executable).with_name("ansible-doc")
    done = subprocess.run(
        [ansible_doc, "-M", ROOT / "library", "engine_doctor"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "Reads the containers' logs since their last start" in done.stdout
    assert "RETURN VALUES" in done.stdout
