"""PyTorch's state for the whole process; without PyTorch, there is none."""

from __future__ import annotations

import contextlib
import random
import sys
from typing import Any, Dict, Optional

import numpy as np

from .errors import last_line


def describe_gpu() -> Optional[Dict[str, Any]]:
    """Name, compute capability and memory of the GPU in use; None without one."""
    torch = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_available():
            return None
        free, total = torch.cuda.mem_get_info()
        return {
            "name": torch.cuda.get_device_name(0),
            "capability": "{}.{}".format(*torch.cuda.get_device_capability(0)),
            "memory_total_bytes": total,
            "memory_free_bytes": free,
        }
    except Exception as error:  # noqa: BLE001 - a lost GPU must not break /health
        return {
            "name": "unusable: " + last_line(error),
            "capability": None,
            "memory_total_bytes": None,
            "memory_free_bytes": None,
        }


def free_gpu_memory() -> None:
    """Return unused memory of PyTorch's cache to the GPU."""
    torch = sys.modules.get("torch")
    if torch is not None:
        with contextlib.suppress(Exception):
            torch.cuda.empty_cache()


def cuda_works() -> bool:
    """False where this process has used the GPU and its context is broken; then every call fails in the same way."""
    torch = sys.modules.get("torch")
    try:
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.synchronize()
    except AttributeError:  # no torch that we know
        return True
    except Exception as error:  # noqa: BLE001 - of a type that differs between versions
        return "out of memory" in str(error)
    return True


def set_seed(seed: int) -> None:
    """Seed every random generator that a model uses; they are global, so results repeat with one slot only."""
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
