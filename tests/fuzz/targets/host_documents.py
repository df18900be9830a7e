"""JSON, keys, metrics and settings that a host or a mirror gives the inventory's modules: read, or refused in words."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable

from module_utils.daemon_settings import fill, merge
from module_utils.openpgp import fingerprints
from tests.support.library_modules import add_module_utils

add_module_utils()
entry_client = importlib.import_module("ansible.module_utils.entry_client")
host_status = importlib.import_module("library.host_status")
stack_survey = importlib.import_module("library.stack_survey")
voice_archive = importlib.import_module("library.voice_archive")
gpu_container_probe = importlib.import_module("library.gpu_container_probe")
daemon_file = importlib.import_module("ansible.module_utils.daemon_file")


def one_input(data: bytes) -> None:
    """Give any bytes to the reader that the first byte chooses."""
    if data:
        READERS[data[0] % len(READERS)](data[1:])


def read_keys(data: bytes) -> None:
    """Fingerprints, or a ``ValueError`` that the module shows."""
    try:
        found = fingerprints(data)
    except ValueError:
        return
    assert all(len(key) == 40 for key in found)


def read_metrics(data: bytes) -> None:
    """Figures of an entry."""
    host_status._figures(data.decode("utf-8", "replace"))


def read_answer(data: bytes) -> None:
    """An entry's answer, in a sentence."""
    answer = entry_client.Answer(503, data)
    assert host_status._sentence(answer)
    try:
        assert isinstance(answer.json(), dict)
    except entry_client.EntryError as error:
        assert str(error)


def read_report(data: bytes) -> None:
    """What a gateway's container wrote at last."""
    try:
        assert isinstance(voice_archive._report(0, data.decode("utf-8", "replace")), dict)
    except voice_archive.ArchiveError as error:
        assert str(error)


def read_versions(data: bytes) -> None:
    """Versions, and the ids of cards."""
    text = data.decode("utf-8", "replace")
    assert len(stack_survey.version(text)) == 2
    assert all(gpu_container_probe._uuids(text))


def read_settings(data: bytes) -> None:
    """Docker's settings: ours go in once, and out without a trace of them."""
    try:
        document, ours = (json.loads(part) for part in data.split(b"\n", 1))
    except (ValueError, RecursionError):
        return
    if not (isinstance(document, dict) and isinstance(ours, dict)):
        return
    first = merge(document, (), ours)
    again = merge(first.document, first.holdings, ours)
    assert (again.document, again.actions) == (first.document, ())
    assert isinstance(fill(document, first.holdings, ours), dict)
    daemon_file.render(first.document)


READERS: tuple[Callable[[bytes], None], ...] = (
    read_keys,
    read_metrics,
    read_answer,
    read_report,
    read_versions,
    read_settings,
)
