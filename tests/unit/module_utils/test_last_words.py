"""The lines that say why, chosen from what real programs wrote before they failed."""

from __future__ import annotations

import pytest

from module_utils.last_words import last_words

DOCKERD = """\
Starting docker.service - Docker Application Container Engine...
time="2025-06-24T10:00:00.1Z" level=info msg="Starting up"
unable to configure the Docker daemon with file d.json: the following directives are specified both as a flag
docker.service: Main process exited, code=exited, status=1/FAILURE
docker.service: Failed with result 'exit-code'.
Failed to start docker.service - Docker Application Container Engine.
docker.service: Scheduled restart job, restart counter is at 3.
docker.service: Start request repeated too quickly.
"""
DOCKERD_LOG = """\
time="2025-06-24T10:00:00.1Z" level=warning msg="could not use snapshotter" error="no such device"
time="2025-06-24T10:00:00.2Z" level=info msg="Loading containers: start."
failed to start daemon: Error initializing network controller: iptables failed: iptables v1.8.9: table does not exist
"""
BUILD = """\
#7 [gateway 3/9] RUN pip install -r requirements.txt
#7 3.1 Looking in indexes: https://pypi.example/simple
#7 9.4 ERROR: Could not find a version that satisfies the requirement starlette (from versions: none)
#7 ERROR: process "/bin/sh -c pip install" did not complete successfully: exit code: 1
"""


@pytest.mark.parametrize(
    ("text", "words", "noise"),
    [
        (DOCKERD, "specified both as a flag", "Main process exited"),
        (DOCKERD_LOG, "could not use snapshotter: no such device", "Loading containers"),
        (DOCKERD_LOG, "table does not exist", "level="),
        (BUILD, "starlette", "Looking in indexes"),
        ("\x1b[31mError: refused\x1b[0m\n", "Error: refused", "\x1b"),
    ],
)
def test_the_reason_is_kept_and_the_noise_is_not(text: str, words: str, noise: str) -> None:
    assert words in last_words(text)
    assert noise not in last_words(text)


def test_an_output_without_any_telling_line_ends_with_its_last_lines() -> None:
    assert last_words("one\ntwo\n\n") == "one; two"
    assert last_words("\n".join(str(number) for number in range(20))) == "14; 15; 16; 17; 18; 19"
    assert last_words("") == ""


def test_a_flood_stays_short() -> None:
    assert len(last_words("error " + "x" * 5000)) < 1000
