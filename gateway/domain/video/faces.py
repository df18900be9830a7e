"""Whether a clip shows one face: what can be said from a few of its frames, without ever rejecting a good one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

FRAMES = 8  # looked at before a clip is rejected
CLEAR_SCORE = 0.99
FEWEST_CROWDED = 3  # frames
# A second face counts from this share of the first one's height: pictures on the wall and passers-by do not.
RIVAL_SHARE = 0.6


@dataclass(frozen=True)
class Face:
    """A face in a frame; lengths as shares of the frame's height.

    Attributes:
        score: from 0 to 1.
        height: of the face.
    """

    score: float
    height: float


class Verdict(StrEnum):
    """What the frames say; failures are keys of ``FAILURES``."""

    ONE_FACE = "one_face"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"


def shows_one_face(faces: Sequence[Face]) -> bool:
    """Whether a frame shows one person, with others at most far behind; one such frame is enough for a clip."""
    return bool(faces) and not _is_crowded(faces)


def judge(frames: Sequence[Sequence[Face]]) -> Verdict:
    """What can be said of a clip, by the faces of each frame that was looked at.

    It has none only if no frame shows anything like a face, and several only if every frame with a face shows two that
    are clear and of like size.
    """
    if any(map(shows_one_face, frames)):
        return Verdict.ONE_FACE
    crowded = [faces for faces in frames if faces]
    if not crowded:
        return Verdict.NO_FACE
    return Verdict.SEVERAL_FACES if len(crowded) >= min(FEWEST_CROWDED, len(frames)) else Verdict.ONE_FACE


def _is_crowded(faces: Sequence[Face]) -> bool:
    largest = max(face.height for face in faces)
    clear = [face for face in faces if face.score >= CLEAR_SCORE and face.height >= RIVAL_SHARE * largest]
    return len(clear) > 1


def moments(seconds: float) -> list[float]:
    """The times of the frames to look at, in seconds; the middle first, as clips begin and end with anything."""
    steps = [(step + 0.5) / FRAMES for step in range(FRAMES)]
    return [seconds * step for step in sorted(steps, key=lambda step: abs(step - 0.5))]
