"""Seeding, under the name that the real package has for it."""

from __future__ import annotations

import random

import numpy as np


def set_all_random_seed(seed: int) -> None:
    """Seed every global generator that the stand-in's speech depends on."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global generator is what the real package seeds
