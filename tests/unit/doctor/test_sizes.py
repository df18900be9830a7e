"""Sizes as Docker writes them."""

import pytest

from doctor.sizes import parse_size


@pytest.mark.parametrize(("text", "size"), [("8g", 8 << 30), ("64m", 64 << 20), ("2K", 2048)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "g", "8", "8 g", "-1g"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)
