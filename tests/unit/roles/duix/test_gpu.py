"""Which image role `duix` takes, and how it gets it: played for real, over stand-ins for `docker` and `nvidia-smi`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.played_roles import play, stand_in

pytestmark = pytest.mark.slow

STANDARD = "guiji2025/duix.avatar@sha256:1970424d219cbb6aebc7566f069041f057ccad618a395139dce002e1fb25d5ed"
SERIES_50 = "guiji2025/duix.avatar-5090:latest"
# Images are files named after their references, `/` written `+`; an archive is a text of lines "REFERENCE ID".
DOCKER = """\
#!/bin/bash
here=$(dirname "$0")
echo "$*" >>"$here/calls"
name() { echo "$here/images/${1//\\//+}"; }
case "$1 $2" in
  "image inspect")
    status=0
    for reference in "${@:5}"; do cat "$(name "$reference")" 2>/dev/null || status=1; done
    exit $status ;;
  "load --input")
    while read -r reference id; do
      echo "$id" >"$(name "$id")"
      [ "$reference" = - ] && echo "Loaded image ID: $id" && continue
      echo "$id" >"$(name "$reference")"
      echo "Loaded image: $reference"
    done <"$3" ;;
  "pull "*) echo pulled >"$(name "$2")" ;;
  "tag "*) cp "$(name "$2")" "$(name "$3")" ;;
esac
"""
SHOW = """\
    - ansible.builtin.debug: {msg: "TAKEN {{ duix_engine_image }}"}
"""


@dataclass(frozen=True)
class Run:
    """How the tasks ended: exit status, output, the image taken ("" for none), and what Docker was asked to change."""

    status: int
    output: str
    image: str
    calls: list[str]


class Machine:
    """A folder with the stand-ins, in front of PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin/images").mkdir(parents=True)
        stand_in(folder / "bin", "docker", DOCKER)
        self.cards("0, GPU-aaaa, 8.9")

    def cards(self, *lines: str) -> None:
        listing = "\n".join(lines)
        stand_in(self.folder / "bin", "nvidia-smi", f"#!/bin/bash\ncat <<'END'\n{listing}\nEND\n")

    def archive(self, *lines: str) -> str:
        path = self.folder / "engine.tar"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return str(path)

    def play(self, *options: str, **variables: object) -> Run:
        calls = self.folder / "bin/calls"
        calls.write_text("", encoding="utf-8")
        values = {
            "duix_engine_mode": "gpu",
            "duix_root": str(self.folder / "opt"),
            "duix_state_dir": str(self.folder / "state"),
            **variables,
        }
        status, output = play("duix", "gpu.yml", values, *options, programs=self.folder / "bin", further_tasks=SHOW)
        changes = [call for call in calls.read_text(encoding="utf-8").splitlines() if "inspect" not in call]
        return Run(status, output, output.rpartition("TAKEN ")[2].split(" ", 1)[0], changes)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("cards", "gpus", "image"),
    [
        (["0, GPU-aaaa, 8.9"], "all", STANDARD),
        (["0, GPU-aaaa, 12.0"], "all", SERIES_50),
        (["0, GPU-aaaa, 8.9", "1, GPU-bbbb, 12.0"], "all", SERIES_50),
        (["0, GPU-aaaa, 8.9", "1, GPU-bbbb, 12.0"], ["0"], STANDARD),
        (["0, GPU-aaaa, 8.9", "1, GPU-bbbb, 12.0"], [1], SERIES_50),
        (["0, GPU-aaaa, 8.9", "1, GPU-bbbb, 12.0"], ["GPU-aaaa"], STANDARD),
        (["0, GPU-aaaa, 8.9", "1, GPU-bbbb, 12.0"], ["GPU-b"], SERIES_50),
        (['Field "compute_cap" is not a valid field to query.'], "all", STANDARD),
    ],
)
def test_the_chosen_cards_choose_the_image(machine: Machine, cards: list[str], gpus: object, image: str) -> None:
    machine.cards(*cards)
    run = machine.play(duix_gpus=gpus)
    assert (run.status, run.image, run.calls) == (0, image, [f"pull {image}"]), run.output


def test_cards_of_two_generations_are_named(machine: Machine) -> None:
    machine.cards("0, GPU-aaaa, 8.9", "1, GPU-bbbb, 12.0")
    assert "GPU 0 (8.9), GPU 1 (12.0)" in machine.play().output
    assert "GPU 0 (8.9)" not in machine.play(duix_gpus=["1"]).output


def test_an_image_without_digest_is_warned_of(machine: Machine) -> None:
    machine.cards("0, GPU-aaaa, 12.0")
    pinned = "guiji2025/duix.avatar-5090@sha256:" + "0" * 64
    assert "we know no digest of duix.avatar-5090" in machine.play().output
    run = machine.play(duix_image_50_series=pinned)
    assert run.image == pinned
    assert "no digest" not in run.output


@pytest.mark.parametrize("line", ["guiji2025/duix.avatar:latest sha256:1", "- sha256:1"])
def test_an_archive_serves_the_default_image(machine: Machine, line: str) -> None:
    """`docker load` brings no digest back, so the image is known by a tag of ours."""
    archive = machine.archive(line)
    first = machine.play(duix_image_archive=archive)
    assert first.status == 0, first.output
    assert first.image.startswith("duix-engine:archive-")
    assert [call.split()[0] for call in first.calls] == ["load", "tag"]
    assert first.calls[1].endswith(first.image)
    assert not list((machine.folder / "opt").rglob("*.tar"))

    again = machine.play(duix_image_archive=archive)
    assert (again.image, again.calls) == (first.image, [])
    assert "changed=0" in again.output

    machine.archive("guiji2025/duix.avatar:newer sha256:22")
    other = machine.play(duix_image_archive=archive)
    assert other.image != first.image
    assert [call.split()[0] for call in other.calls] == ["load", "tag"]


def test_of_several_images_the_named_one_is_taken(machine: Machine) -> None:
    archive = machine.archive("cosyvoice:v1.0 sha256:1", "guiji2025/duix.avatar:stand-in sha256:2")
    refused = machine.play(duix_image_archive=archive)
    assert refused.status == 2
    assert "more than one image (cosyvoice:v1.0, guiji2025/duix.avatar:stand-in). Set duix_image" in refused.output
    named = machine.play(duix_image_archive=archive, duix_image="guiji2025/duix.avatar:stand-in")
    assert named.status == 0, named.output
    assert named.calls[-1] == f"tag guiji2025/duix.avatar:stand-in {named.image}"


def test_an_archive_of_another_image_is_refused(machine: Machine) -> None:
    run = machine.play(duix_image_archive=machine.archive("other:1 sha256:1"), duix_image=STANDARD)
    assert run.status == 2
    assert f"does not hold {STANDARD} by that name, but other:1. Set duix_image" in run.output


def test_a_missing_archive_is_reported(machine: Machine) -> None:
    run = machine.play(duix_image_archive=str(machine.folder / "gone.tar"))
    assert run.status == 2
    assert "gone.tar is not on the control machine" in run.output


@pytest.mark.parametrize("archived", [True, False])
def test_a_dry_run_reports_what_it_would_do(machine: Machine, archived: bool) -> None:
    archive = machine.archive("guiji2025/duix.avatar:latest sha256:1") if archived else ""
    run = machine.play("--check", duix_image_archive=archive)
    assert (run.status, run.calls) == (0, []), run.output
    assert ("would load " if archived else f"would pull {STANDARD}") in run.output
    assert "changed=1" in run.output
