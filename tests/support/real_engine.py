"""The real CosyVoice under our server: its environment, small random weights, and running servers.

Everything is made once, in `.cache/real_engine`: the environment from the pins in `tests/real_engine`, the weights by
`weights.py` there. Both are made anew when what they are made from changes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.support.engine import PATCH, Engine
from tests.support.installations import Command, installed, run
from tests.support.servers import ROOT, free_port

PARTS = ROOT / "tests/real_engine"
PINS = [PARTS / "requirements.txt", PARTS / "without_dependencies.txt"]
HOME = ROOT / ".cache/real_engine"
STAND_INS = PARTS / "stand_ins"
# Also where the tests of other modules have the processor.
READY_SECONDS = 600
RUN_SECONDS = 1500
# More threads than free cores wait for each other at every step of a small network.
THREADS = {"OMP_NUM_THREADS": "1"}


@cache
def python() -> Path:
    """The interpreter of the real engine's environment."""
    pip: Command = ["bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    steps: list[Command] = [
        [sys.executable, "-m", "venv", "."],
        [*pip, "-r", "requirements.txt"],
        [*pip, "--no-deps", "-r", "without_dependencies.txt"],
    ]
    return installed(HOME, "environment", PINS, steps) / "bin/python"


@cache
def weights() -> Path:
    """A model's folder."""
    recipe = [PARTS / "weights.py", PARTS / "cosyvoice2.yaml", *PINS]
    make: Command = ["env", f"PYTHONPATH={STAND_INS}", python(), "weights.py", "model"]
    return installed(HOME, "weights", recipe, [make]) / "model"


def printed_by(
    program: str, *arguments: str | Path, paths: tuple[Path, ...] = (STAND_INS, PATCH), **variables: str
) -> str:
    """What a program of `tests/real_engine` prints in the real engine's environment, and with these variables."""
    variables = {**THREADS, **variables, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    settings = [f"{name}={value}" for name, value in variables.items()]
    return run(["env", *settings, python(), PARTS / program, *arguments], cwd=HOME, seconds=RUN_SECONDS)


@contextmanager
def running_real_engine(folder: Path, *, model: Path | None = None, **settings: object) -> Iterator[Engine]:
    """Our server with the real package on a free port, once it is ready.

    Args:
        folder: where its log, cache and temporary files go.
        model: a model's folder, where it is not `weights()`.
        settings: settings of the server by their lower-case names without the prefix.
    """
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    environment = {
        **THREADS,
        "PYTHONPATH": str(STAND_INS),
        "TMPDIR": str(folder / "tmp"),
        "MODELSCOPE_CACHE": str(folder / "cache"),
        # Not among the temporary files, which a test may want to see gone.
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "cache/torch"),
        "COSYVOICE_HOST": "127.0.0.1",
        **{f"COSYVOICE_{name.upper()}": str(value) for name, value in settings.items()},
    }
    port = free_port()
    command = [str(python()), str(PATCH / "server.py"), "--port", str(port), "--model_dir", str(model or weights())]
    engine = Engine("real engine", command, environment, port, folder / "engine.log", "/health")
    try:
        engine.start()
        engine.wait_until_ready(READY_SECONDS)
        yield engine
    finally:
        engine.kill()
