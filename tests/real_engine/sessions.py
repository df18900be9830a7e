"""What streams leave in the real model: `python sessions.py MODEL SLOTS COUNT`, in the real engine's environment.

As many threads as slots speak COUNT streams that are abandoned after their first chunk, and as many that are heard to
their end. Prints JSON: the number of streams of each kind, and of the entries left in each of the model's dictionaries.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

from cosyvoice_server.cancellation import Cancellation
from cosyvoice_server.model import Engine
from cosyvoice_server.order import Order
from cosyvoice_server.package import build_model, import_package
from cosyvoice_server.settings import Settings

# Its 36 or more speech tokens are more than a first chunk takes (28).
TEXT = "The brown fox ran."


def speak(engine: Engine, speaker: str, leaves: bool) -> int:
    """Bytes of one stream; with `leaves` its client goes after the first chunk."""
    cancelled = Cancellation()
    heard = 0
    order = Order("sft", TEXT, speaker=speaker, stream=True)
    with contextlib.closing(engine.generate(order, None, cancelled)) as chunks:
        for chunk in chunks:
            heard += len(chunk)
            if leaves:
                cancelled.set()
    return heard


def leftovers(model: Any) -> dict[str, int]:
    """Entries in each dictionary of sessions."""
    return {name: len(value) for name, value in vars(model).items() if name.endswith("_dict")}


def main(folder: Path, slots: int, count: int) -> dict[str, Any]:
    logging.disable(logging.INFO)
    model = build_model(import_package(), str(folder), Settings())
    engine = Engine(model)
    with concurrent.futures.ThreadPoolExecutor(slots) as workers:
        kinds = [leaves for _ in range(count) for leaves in (True, False)]
        heard = list(workers.map(lambda leaves: speak(engine, engine.speakers[0], leaves), kinds))
    return {
        "abandoned": sum(kinds),
        "finished": sum(bytes_ > 0 for bytes_, leaves in zip(heard, kinds, strict=True) if not leaves),
        "leftovers": leftovers(model.model),
    }


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))) + "\n")
