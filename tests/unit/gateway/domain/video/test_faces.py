"""A clip is rejected only where every frame agrees."""

from __future__ import annotations

import pytest

from gateway.domain.video.faces import FRAMES, Face, Verdict, judge, moments, shows_one_face

ONE = [Face(0.99, 0.3)]
FAINT = [Face(0.61, 0.05)]
TWO = [Face(0.999, 0.3), Face(0.995, 0.25)]
PASSER_BY = [Face(0.999, 0.3), Face(0.999, 0.1)]
DOUBTFUL = [Face(0.999, 0.3), Face(0.9, 0.3)]
NONE: list[Face] = []


@pytest.mark.parametrize(
    ("frames", "verdict"),
    [
        ([NONE] * 8, Verdict.NO_FACE),
        ([NONE] * 7 + [FAINT], Verdict.ONE_FACE),
        ([TWO] * 8, Verdict.SEVERAL_FACES),
        ([TWO, NONE, TWO, TWO], Verdict.SEVERAL_FACES),
        ([TWO, NONE, NONE, NONE], Verdict.ONE_FACE),
        ([TWO], Verdict.SEVERAL_FACES),
        ([TWO, TWO, TWO, ONE], Verdict.ONE_FACE),
        ([PASSER_BY] * 8, Verdict.ONE_FACE),
        ([DOUBTFUL] * 8, Verdict.ONE_FACE),
    ],
)
def test_the_verdict(frames: list[list[Face]], verdict: Verdict) -> None:
    assert judge(frames) is verdict


@pytest.mark.parametrize(
    ("faces", "one"), [(ONE, True), (FAINT, True), (PASSER_BY, True), (DOUBTFUL, True), (TWO, False), (NONE, False)]
)
def test_a_frame_with_one_face_is_enough(faces: list[Face], one: bool) -> None:
    assert shows_one_face(faces) is one
    assert (judge([*[TWO] * 7, faces]) is Verdict.ONE_FACE) is one


def test_frames_are_spread_over_the_clip_beginning_in_its_middle() -> None:
    times = moments(8.0)
    assert sorted(times) == [step + 0.5 for step in range(FRAMES)]
    assert times[0] in (3.5, 4.5)
