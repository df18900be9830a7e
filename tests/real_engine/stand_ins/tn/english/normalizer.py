"""A stand-in for tests: English text normalisation by `wetext`."""

from __future__ import annotations

import wetext


class Normalizer(wetext.Normalizer):  # type: ignore[misc]
    """WeTextProcessing's class."""

    def __init__(self) -> None:
        super().__init__(lang="en", operator="tn")
