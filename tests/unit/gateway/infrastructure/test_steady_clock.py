"""What a run leaves of its clock for the next one, and how a person's word arrives."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain.steady_clock import SteadyClock
from gateway.infrastructure import steady_clock
from gateway.infrastructure.steady_clock import ClockKeeper, is_unused, load_clock, save_clock, trust_clock


def test_a_folder_is_unused_until_something_but_the_lock_lies_there(tmp_path: Path) -> None:
    assert is_unused(tmp_path)
    (tmp_path / "gateway.lock").touch()
    assert is_unused(tmp_path)
    (tmp_path / "gateway.sqlite3").touch()
    assert not is_unused(tmp_path)


@pytest.mark.parametrize("is_new", [True, False])
def test_without_a_state_only_new_data_are_not_held(tmp_path: Path, is_new: bool) -> None:
    assert load_clock(tmp_path, is_new=is_new).held is not is_new


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"time": 1}', "\xff"])
def test_an_unreadable_state_holds(tmp_path: Path, text: str) -> None:
    (tmp_path / steady_clock.STATE_FILE).write_text(text, encoding="latin-1")
    assert load_clock(tmp_path, is_new=True).held


def held(folder: Path) -> SteadyClock:
    return load_clock(folder, is_new=False)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    clock = held(tmp_path)
    save_clock(tmp_path, clock)
    again = load_clock(tmp_path, is_new=True)
    assert again.held
    assert abs(again.time() - clock.time()) < 5
    assert [path.name for path in tmp_path.iterdir()] == [steady_clock.STATE_FILE]


def test_a_persons_word_ends_a_hold_and_is_kept(tmp_path: Path) -> None:
    clock = held(tmp_path)
    keeper = ClockKeeper(tmp_path, clock)
    keeper.look()
    assert load_clock(tmp_path, is_new=True).held
    trust_clock(tmp_path)
    keeper.look()
    assert not clock.held
    assert not load_clock(tmp_path, is_new=False).held
    assert not (tmp_path / steady_clock.TRUST_FILE).exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "\xff"])
def test_an_unreadable_word_is_thrown_away(tmp_path: Path, text: str) -> None:
    (tmp_path / steady_clock.TRUST_FILE).write_text(text, encoding="latin-1")
    clock = held(tmp_path)
    ClockKeeper(tmp_path, clock).look()
    assert clock.held
    assert not (tmp_path / steady_clock.TRUST_FILE).exists()


def test_a_folder_that_can_not_be_written_stops_nothing(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    keeper = ClockKeeper(gone, held(gone))
    gone.rmdir()
    keeper.look()
