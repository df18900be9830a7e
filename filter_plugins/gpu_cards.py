# SPDX-License-Identifier: Apache-2.0
"""Filters on the cards that nvidia-smi lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

Card = dict[str, str]

_LINE = re.compile(r"(\d+), *([^,]+), *(\d+\.\d+) *")


def gpu_cards(lines: Sequence[str]) -> list[Card]:
    """Cards from `nvidia-smi --query-gpu=index,uuid,compute_cap --format=csv,noheader`; other lines are left out."""
    found = (_LINE.fullmatch(line) for line in lines)
    return [dict(zip(("index", "uuid", "capability"), match.groups(), strict=True)) for match in found if match]


def chosen_gpu_cards(cards: Sequence[Card], gpus: Any) -> list[Card]:
    """Those cards that `gpus` names by index or by the beginning of their UUID; all for 'all' and where none matches.

    None matches where a name is that of a part of a card (MIG).
    """
    if gpus == "all":
        return list(cards)
    names = [str(name) for name in gpus]
    chosen = [card for card in cards for name in names if card["index"] == name or card["uuid"].startswith(name)]
    return chosen or list(cards)


def gpu_card_names(cards: Sequence[Card]) -> str:
    """The cards for a message: `GPU 0 (8.9), GPU 1 (12.0)`."""
    return ", ".join(f"GPU {card['index']} ({card['capability']})" for card in cards)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by their names."""
        return {"gpu_cards": gpu_cards, "chosen_gpu_cards": chosen_gpu_cards, "gpu_card_names": gpu_card_names}
