"""An entry under the fast clock: ``python -m tests.endure.entry voice``, configured as ``python -m gateway voice``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from gateway.__main__ import main
from gateway.infrastructure.video import ffmpeg

if __name__ == "__main__":
    # ffprobe is no faster than the clock of the wall, and this limit is no setting.
    seconds = ffmpeg.PROBE_BOUNDS.wall_seconds * float(os.environ["FAST_RATE"])
    ffmpeg.PROBE_BOUNDS = replace(ffmpeg.PROBE_BOUNDS, wall_seconds=seconds)
    sys.exit(main(sys.argv[1:]))
