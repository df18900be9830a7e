"""A preset reaches the hosts by the options that the READMEs name, and every variable in it is somebody's."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLE = "inventory/hosts.example.yml"
PRESET = Path("inventory/presets/cn.yml")


def wanted() -> dict[str, Any]:
    variables: dict[str, Any] = yaml.safe_load(PRESET.read_text("utf-8"))["gpu_hosts"]["vars"]
    return variables


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readme_s_options_bring_the_preset_to_the_hosts(readme: str) -> None:
    (options,) = re.findall(r"`(-[^`]*presets/cn\.yml)`", Path(readme).read_text("utf-8"))
    command = ["ansible-inventory", *options.replace("inventory/hosts.yml", EXAMPLE).split(), "--list"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    hosts = found["gpu_hosts"]["hosts"]
    assert hosts
    for host in hosts:
        assert wanted().items() <= found["_meta"]["hostvars"][host].items()


def test_every_variable_of_the_preset_is_used() -> None:
    used = "".join(path.read_text("utf-8") for path in Path("roles").glob("*/defaults/main.yml"))
    assert [name for name in wanted() if name not in used] == []
