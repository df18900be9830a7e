"""Finds faces in frames of a clip, on the processor: the three networks of MTCNN in ONNX Runtime.

Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks (2016): a small network
proposes boxes in a pyramid of sizes, two larger ones reject and correct them. Weights: see ``models/README.md``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.domain.video.faces import Face
from gateway.infrastructure.sandbox import READ_SAFELY, Bounds, Sandbox

MODELS = Path(__file__).parent / "models"
MAX_SIDE = 480  # of a frame looked at; three bytes a pixel fit into the sandbox's output
BOUNDS = Bounds(wall_seconds=30, cpu_seconds=60, memory_bytes=4 * 2**30, file_bytes=0)
SMALLEST_FACE = 24  # pixels
SCALE_STEP = 0.709
CELL, STRIDE = 12, 2  # of the first network
PROPOSED, REFINED, ACCEPTED = 0.6, 0.7, 0.6
MOST_BOXES = 150

Array = npt.NDArray[np.float32]


class MtcnnFinder:
    """Looks at single frames.

    Args:
        sandbox: runs ffmpeg.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def faces_at(self, path: Path, seconds: float) -> list[Face] | None:
        """The faces in the frame at a time; None where there is no such frame.

        Args:
            path: a clip.
            seconds: from its beginning.
        """
        command = [
            *("ffmpeg", "-nostdin", "-v", "error", *READ_SAFELY, "-ss", f"{seconds:.3f}"),
            *("-i", str(path), "-an", "-frames:v", "1"),
            *("-vf", f"scale={MAX_SIDE}:{MAX_SIDE}:force_original_aspect_ratio=decrease"),
            *("-c:v", "ppm", "-f", "image2pipe", "pipe:1"),
        ]
        done = await self._sandbox.run(command, folder=path.parent, bounds=BOUNDS)
        image = _pixels(done.stdout)
        return None if image is None else await asyncio.to_thread(self._detector.find, image)

    @cached_property
    def _detector(self) -> Detector:
        return Detector()


def _pixels(ppm: bytes) -> Array | None:
    """A picture as ffmpeg writes it: ``P6``, width, height, 255, and the bytes."""
    head = ppm[:32].split(maxsplit=3)
    if len(head) < 4 or head[0] != b"P6":
        return None
    width, height = int(head[1]), int(head[2])
    if len(ppm) < width * height * 3:
        return None
    pixels = np.frombuffer(ppm[-width * height * 3 :], np.uint8).reshape(height, width, 3)
    return (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(128)


class Detector:
    """The three networks; they are loaded once. Their pictures are indexed by x, y, colour."""

    def __init__(self) -> None:
        import onnxruntime  # noqa: PLC0415 - 0.2 s and 40 MB, for those who look for faces

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._propose, self._refine, self._decide = (
            onnxruntime.InferenceSession(MODELS / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
            for name in ("pnet", "rnet", "onet")
        )

    def find(self, image: Array) -> list[Face]:
        """The faces of a picture.

        Args:
            image: by row, column and colour, from -1 to 1.
        """
        turned = np.ascontiguousarray(image.transpose(1, 0, 2))
        boxes = _best(np.concatenate([*self._proposals(turned), np.empty((0, 5), np.float32)]), 0.7)
        boxes = self._checked(turned, boxes, self._refine, size=24, least=REFINED)
        boxes = self._checked(turned, _best(boxes, 0.7), self._decide, size=48, least=ACCEPTED)
        boxes = _best(boxes, 0.7, of_smaller=True)
        return [Face(score=float(box[4]), height=float(box[3] - box[1]) / image.shape[0]) for box in boxes]

    def _proposals(self, image: Array) -> Iterator[Array]:
        scale = CELL / SMALLEST_FACE
        while min(image.shape[:2]) * scale >= CELL:
            width, height = (int(np.ceil(side * scale)) for side in image.shape[:2])
            scaled = _cut(image, (0, 0, image.shape[0], image.shape[1]), width, height)
            shifts, scores = _run(self._propose, scaled[None])
            x, y = np.nonzero(scores[0, :, :, 1] >= PROPOSED)
            corner = np.stack([x, y], axis=1) * STRIDE
            found = np.concatenate([corner, corner + CELL], axis=1) / scale
            yield _best(_moved(found, shifts[0, x, y], scores[0, x, y, 1]), 0.5)
            scale *= SCALE_STEP

    def _checked(self, image: Array, boxes: Array, network: Any, *, size: int, least: float) -> Array:
        if not len(boxes):
            return boxes
        squares = _squared(boxes)
        cut = np.stack([_cut(image, tuple(square), size, size) for square in squares])
        outputs = _run(network, cut)
        shifts, scores = outputs[0], outputs[-1][:, 1]
        kept = scores >= least
        return _moved(squares[kept], shifts[kept], scores[kept])


def _run(network: Any, pictures: Array) -> list[Array]:
    outputs: list[Array] = network.run(None, {network.get_inputs()[0].name: pictures.astype(np.float32)})
    return outputs


def _moved(boxes: npt.NDArray[Any], shifts: Array, scores: Array) -> Array:
    """Boxes with their corrections, which are shares of their sides, and scores."""
    sides = np.tile(boxes[:, 2:4] - boxes[:, 0:2], 2)
    return np.concatenate([boxes[:, :4] + shifts * sides, scores[:, None]], axis=1).astype(np.float32)


def _squared(boxes: Array) -> Array:
    middle, side = (boxes[:, 0:2] + boxes[:, 2:4]) / 2, (boxes[:, 2:4] - boxes[:, 0:2]).max(axis=1, keepdims=True)
    squares: Array = np.concatenate([middle - side / 2, middle + side / 2], axis=1)
    return squares


def _best(boxes: Array, overlap: float, *, of_smaller: bool = False) -> Array:
    """The boxes with the best scores, without those that overlap a better one too much."""
    rest = boxes[np.argsort(-boxes[:, 4])][: MOST_BOXES * 4]
    kept: list[Array] = []
    while len(rest) and len(kept) < MOST_BOXES:
        first, rest = rest[0], rest[1:]
        kept.append(first)
        sides = np.minimum(first[2:4], rest[:, 2:4]) - np.maximum(first[0:2], rest[:, 0:2])
        shared = np.clip(sides, 0, None).prod(axis=1)
        area, areas = (first[2:4] - first[0:2]).prod(), (rest[:, 2:4] - rest[:, 0:2]).prod(axis=1)
        whole = np.minimum(area, areas) if of_smaller else area + areas - shared
        rest = rest[shared <= overlap * whole]
    return np.array(kept, np.float32).reshape(-1, 5)


def _cut(image: Array, box: tuple[float, ...], width: int, height: int) -> Array:
    """A part of a picture in another size, each pixel the mean of its area; black outside the picture."""
    columns, x = _shares(image.shape[0], box[0], box[2], width)
    rows, y = _shares(image.shape[1], box[1], box[3], height)
    part = image[x, y]
    missing = 1 - np.multiply.outer(columns.sum(axis=1), rows.sum(axis=1))
    narrowed = np.einsum("ax,xyc->ayc", columns, part, optimize=True)
    cut: Array = np.einsum("by,ayc->abc", rows, narrowed, optimize=True) - missing[:, :, None]
    return cut


def _shares(length: int, begin: float, end: float, count: int) -> tuple[Array, slice]:
    """How much of each pixel, of those between begin and end, is in each of so many equal steps."""
    first, last = max(0, int(np.floor(begin))), min(length, int(np.ceil(end)))
    pixels = np.arange(first, max(first, last))
    edges = np.linspace(begin, end, count + 1)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares = np.clip(covered, 0, None) / max(1e-6, (end - begin) / count)
    return shares.astype(np.float32), slice(first, max(first, last))
