"""The exception that reaches a user."""

import weakref

import pytest

from gateway.domain import errors


def test_a_temporary_failure_always_has_a_time_to_try_again() -> None:
    with pytest.raises(ValueError, match="a time to try again"):
        errors.GatewayError("busy", errors.ErrorKind.TEMPORARY, zh="忙", en="busy")


def test_a_sentence_is_in_the_requested_language() -> None:
    error = errors.rate_limited(7)
    assert "7 秒" in error.sentence("zh")
    assert "7 seconds" in error.sentence("en")


def test_an_error_that_is_kept_holds_nothing_that_it_came_through() -> None:
    class Held:
        """What a frame knows."""

    def fails() -> None:
        held = Held()
        known.append(weakref.ref(held))
        try:
            int("no number")
        except ValueError:
            raise errors.internal() from None

    known: list[weakref.ref[Held]] = []
    with pytest.raises(errors.GatewayError) as raised:
        fails()
    kept = errors.without_frames(raised.value)
    del raised
    assert [held() for held in known] == [None]
    assert kept.code == "internal_error"
