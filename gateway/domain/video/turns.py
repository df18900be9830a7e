"""Whose task is next: sources take turns, each one's own tasks stay in order, and nobody takes all places."""

from __future__ import annotations

from collections.abc import Collection

from gateway.domain.video.task import Task

KEPT_FOR_OTHERS = 10  # of so many places one is kept for those that have few
MOST_SOURCES = 1000  # of which the last turn is remembered beyond need


class Turns:
    """Gives out turns: behind the source's last one, and never before the one that is served now.

    Args:
        live: all tasks that wait or run.
    """

    def __init__(self, live: Collection[Task]) -> None:
        self._current = min((task.turn for task in live), default=0)
        self._last: dict[str, int] = {}
        for task in live:
            self._last[task.source] = max(task.turn, self._last.get(task.source, 0))

    def next(self, source: str) -> int:
        """The turn of a source's new task."""
        turn = max(self._last.get(source, -1) + 1, self._current)
        self._last[source] = turn
        if len(self._last) > MOST_SOURCES:
            self._last = {name: last for name, last in self._last.items() if last >= self._current}
        return turn

    def serve(self, task: Task) -> None:
        """An engine gets this task."""
        self._current = max(self._current, task.turn)


def has_place(live: Collection[Task], source: str, *, size: int) -> bool:
    """Whether a queue of ``size`` places takes one more task; the last places go to sources below their share."""
    if len(live) < size - size // KEPT_FOR_OTHERS:
        return True
    own = sum(task.source == source for task in live)
    sources = len({task.source for task in live} | {source})
    return len(live) < size and own * sources < len(live)
