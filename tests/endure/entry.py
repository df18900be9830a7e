"""An entry under the fast clock: ``python -m tests.endure.entry voice``, configured as ``python -m gateway voice``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from gateway.__main__ import main
from gateway.infrastructure import sound
from gateway.infrastructure.sandbox import Bounds
from gateway.infrastructure.video import faces, ffmpeg

if __name__ == "__main__":
    # ffmpeg and ffprobe are no faster than the clock of the wall, and these limits are no settings.
    rate = float(os.environ["FAST_RATE"])
    for module, name in ((ffmpeg, "PROBE_BOUNDS"), (faces, "BOUNDS")):
        bounds: Bounds = getattr(module, name)
        setattr(module, name, replace(bounds, wall_seconds=bounds.wall_seconds * rate))
    sound.LIMIT_SECONDS *= rate  # type: ignore[misc]
    sys.exit(main(sys.argv[1:]))
