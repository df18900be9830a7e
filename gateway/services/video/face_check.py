"""Rejects clips without a face, or with several, before an engine spends its minutes on them."""

from __future__ import annotations

from pathlib import Path

import structlog

from gateway.domain.video.faces import Face, Verdict, judge, moments, shows_one_face
from gateway.domain.video.ports import FaceFinder

log = structlog.stdlib.get_logger(__name__)


class FaceCheck:
    """Looks at a few frames of a clip; most clips need only one.

    Args:
        finder: finds faces in a frame.
    """

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder

    async def verdict(self, clip: Path, *, seconds: float) -> Verdict:
        """What can be said of the faces; ``ONE_FACE`` too where nothing can be said.

        Args:
            clip: in the engine's format.
            seconds: its length.
        """
        frames: list[list[Face]] = []
        try:
            for at in moments(seconds):
                faces = await self._finder.faces_at(clip, at)
                if faces is None:
                    continue
                if shows_one_face(faces):
                    return Verdict.ONE_FACE
                frames.append(faces)
        except Exception:  # a check that can't be made rejects nothing
            log.exception("faces were not looked for", clip=clip.parent.name)
            return Verdict.ONE_FACE
        return judge(frames) if frames else Verdict.ONE_FACE
