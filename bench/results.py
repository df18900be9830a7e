"""Output of figures: one table for people, one JSON file for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import Figure

FIELDS = ("name", "value", "unit", "baseline", "ratio", "goal", "met")
GOAL_WORDS = {True: "[green]met[/]", False: "[bold red]missed[/]", None: ""}


def _number(value: float | None) -> float | None:
    """JSON has no NaN and no infinity."""
    return None if value is None or not math.isfinite(value) else round(value, 6)


def as_record(figure: Figure) -> dict[str, Any]:
    """A figure as it is written; ``baseline`` and ``ratio`` are null without a comparison, ``met`` without a goal."""
    return {
        "name": figure.name,
        "value": _number(figure.value),
        "unit": figure.unit,
        "baseline": _number(figure.baseline),
        "ratio": _number(figure.ratio),
        "goal": None if figure.goal is None else str(figure.goal),
        "met": figure.met,
    }


def read(path: Path) -> list[dict[str, Any]]:
    """The records of earlier runs; empty if there is no file."""
    if not path.exists():
        return []
    records: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return records


def keep(path: Path, case: str, figures: Sequence[Figure]) -> None:
    """Replace a case's older figures; those of other cases stay."""
    others = [record for record in read(path) if record["name"].partition("/")[0] != case]
    records = [*others, *map(as_record, figures)]
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)


def short(value: float | None) -> str:
    """At most three significant digits."""
    if value is None or not math.isfinite(value):
        return "–"
    magnitude = abs(value)
    if magnitude >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if magnitude >= 10 else f"{value:.2f}"


def table(title: str, figures: Sequence[Figure]) -> Table:
    """The figures as text."""
    drawn = Table(title=title, title_justify="left", pad_edge=False)
    drawn.add_column("figure", overflow="fold")
    for heading in ("median", "± spread"):
        drawn.add_column(heading, justify="right")
    drawn.add_column("unit")
    drawn.add_column("against")
    for heading in ("baseline", "ratio"):
        drawn.add_column(heading, justify="right")
    drawn.add_column("goal")
    drawn.add_column("")
    for one in figures:
        drawn.add_row(
            one.name,
            short(one.value),
            short(one.spread) if one.spread else "",
            one.unit,
            one.against,
            short(one.baseline) if one.against else "",
            short(one.ratio) if one.against else "",
            "" if one.goal is None else str(one.goal),
            GOAL_WORDS[one.met],
        )
    return drawn


def show(title: str, figures: Sequence[Figure], console: Console | None = None) -> None:
    """Print the table; a pipe gets it in full width."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(width=160, file=console.file)
    console.print(table(title, figures))
