"""A stand-in for tests: Chinese text normalisation by `wetext`."""

from __future__ import annotations

import wetext


class Normalizer(wetext.Normalizer):  # type: ignore[misc]
    """WeTextProcessing's class, with the options that CosyVoice passes; there is no cache to overwrite."""

    def __init__(self, remove_erhua: bool = True, full_to_half: bool = True, overwrite_cache: bool = False) -> None:
        super().__init__(lang="zh", operator="tn", remove_erhua=remove_erhua, full_to_half=full_to_half)
