"""A ``docker`` that knows networks and the containers on them, in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tests.support.played_roles import stand_in

# Networks are files in networks/, one JSON line each; the containers of one are the lines of containers/<id>, or of
# containers/<name> while they have never run.
DOCKER = """\
#!/bin/bash
cd '{folder}' || exit 1
case "$1 $2" in
  "network ls") grep -h "\\"project\\":\\"${{5##*=}}\\"" networks/* 2>/dev/null | sed 's/,"project":.*/}}/'; true ;;
  "network rm") rm "networks/$3" 2>/dev/null || {{ echo "Error: No such network: $3" >&2; exit 1; }} ;;
  "ps --all") for asked; do [[ $asked == network=* ]] && cat "containers/${{asked#*=}}" 2>/dev/null; done; true ;;
esac
"""


class DockerNetworks:
    """The stand-in and what it holds.

    Args:
        folder: for both; an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self._networks, self._containers = folder / "networks", folder / "containers"
        self._networks.mkdir()
        self._containers.mkdir()
        stand_in(self.programs, "docker", DOCKER.format(folder=folder))

    def add(self, project: str, key: str, *, containers: Iterable[tuple[str, str]] = (), have_run: bool = True) -> None:
        """A network that compose made for a project; containers as pairs of name and project."""
        name = f"{project}_{key}"
        record = {"id": name + "-id", "name": name, "key": key, "project": project}
        (self._networks / record["id"]).write_text(json.dumps(record, separators=(",", ":")) + "\n", encoding="utf-8")
        lines = [json.dumps({"name": one, "project": owner}) + "\n" for one, owner in containers]
        (self._containers / (record["id"] if have_run else name)).write_text("".join(lines), encoding="utf-8")

    @property
    def names(self) -> list[str]:
        """The networks that there are."""
        return sorted(path.name.removesuffix("-id") for path in self._networks.iterdir())
