"""Which cards nvidia-smi lists, and which of them the engine may use."""

from __future__ import annotations

from typing import Any

import pytest

from filter_plugins.gpu_cards import chosen_gpu_cards, gpu_card_names, gpu_cards

CARDS = gpu_cards(["0, GPU-aa11, 8.9", "1, GPU-bb22, 12.0 ", "No devices were found", "2, GPU-cc33, [N/A]"])


def test_lines_that_name_no_card_are_left_out() -> None:
    assert CARDS == [
        {"index": "0", "uuid": "GPU-aa11", "capability": "8.9"},
        {"index": "1", "uuid": "GPU-bb22", "capability": "12.0"},
    ]


@pytest.mark.parametrize(
    ("gpus", "indexes"),
    [("all", ["0", "1"]), ([1], ["1"]), (["1", "0"], ["0", "1"]), (["GPU-bb"], ["1"]), (["MIG-1"], ["0", "1"])],
)
def test_cards_are_chosen_by_index_or_uuid(gpus: Any, indexes: list[str]) -> None:
    assert [card["index"] for card in chosen_gpu_cards(CARDS, gpus)] == indexes


def test_cards_have_names_for_messages() -> None:
    assert gpu_card_names(CARDS) == "GPU 0 (8.9), GPU 1 (12.0)"
