"""Times as RFC 3339 texts in UTC with nine decimals: they compare as texts, and docker takes them as they are."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from .log_text import normalise_time


def render(moment: datetime) -> str:
    """A moment as text."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def parse(stamp: str) -> datetime:
    """The moment of a text that ``render`` or Docker wrote. Raises ValueError for anything else."""
    return datetime.strptime(normalise_time(stamp)[:26], "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=timezone.utc)


def earlier_by(moment: datetime, seconds: float) -> str:
    """The time some seconds before a moment."""
    return render(moment - timedelta(seconds=seconds))


def latest(*stamps: str) -> str:
    """The latest of some times; empty ones do not count."""
    return max((normalise_time(stamp) for stamp in stamps), default="")
