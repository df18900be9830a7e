"""Lives a day in minutes: ``python -m tests.endure --hours 24 --rate 120``; fails where anything grows at its end."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import mean

from tests.endure.work import Filmer, Host, Speaker, Worker
from tests.endure.world import World, living
from tests.support.open_files import descriptors_of

MIB = 1 << 20
SAMPLES = 48
# What may differ between the third quarter of the day and the last: a share, or so much where that is more.
SHARE = 0.10
SPARE = {"memory": 4.0, "descriptors": 6.0, "threads": 3.0, "disk": 2.0, "files": 30.0, "rows": 30.0}
Sample = dict[str, float]


def sample(world: World) -> Sample:
    """Everything that could grow."""
    found: Sample = {}
    for server in (world.voice, world.video):
        process = Path(f"/proc/{server.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        found[f"{server.name}: memory, MiB"] = int(status["VmRSS"].split()[0]) / 1024
        found[f"{server.name}: threads"] = int(status["Threads"])
        found[f"{server.name}: descriptors"] = len(list((process / "fd").iterdir()))
        sizes = [path.stat().st_size for path in (world.folder / server.name).rglob("*") if path.is_file()]
        found[f"{server.name}: disk, MiB"] = sum(sizes) / MIB
        found[f"{server.name}: files"] = len(sizes)
        for table, rows in tables(world.folder / server.name / "data"):
            found[f"{server.name}: rows of {table}"] = rows
    return found


def open_files(pid: int) -> dict[str, int]:
    """A process's descriptors, by folder and kind of file."""
    found: Counter[str] = Counter()
    for target in descriptors_of(pid):
        kind = Path(target).parent.name + "/*" + Path(target).suffix if target.startswith("/") else target
        found[kind.partition(":")[0]] += 1
    return dict(found)


def tables(folder: Path) -> list[tuple[str, int]]:
    """The sizes of a database's tables."""
    with closing(sqlite3.connect(f"file:{folder / 'gateway.sqlite3'}?mode=ro", uri=True, timeout=10)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [(name, connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in names]  # noqa: S608


def live(world: World, hours: float, tally: Counter[str], wrong: list[str]) -> list[Sample]:
    """A day of work and faults; samples at equal distances."""
    clips = world.folder / "clips"
    clips.mkdir()
    turns = [(f"speaker-{number}", Speaker(world, f"device-{number}").turn) for number in range(2)]
    workers = [Worker(name, turn, tally, wrong) for name, turn in [*turns, ("filmer", Filmer(world, clips).turn)]]
    host, samples = Host(world, hours, tally), []
    threads: tuple[Worker | Host, ...] = (*workers, host)
    for thread in threads:
        thread.start()
    for number in range(1, SAMPLES + 1):
        while world.clock.hours() < hours * number / SAMPLES:
            time.sleep(0.1)
        try:
            samples.append(sample(world))
        except (OSError, KeyError, AssertionError, sqlite3.Error):
            continue  # an entry that is being started
    for thread in threads:
        thread.over.set()
    for thread in threads:
        thread.join(60)
    return samples


def grown(samples: Sequence[Sample]) -> list[str]:
    """Print the means of each quarter; returns what has grown in the last one."""
    quarter = len(samples) // 4
    quarters = [samples[start : start + quarter] for start in range(0, quarter * 4, quarter)]
    broken = []
    print("| | first quarter | second | third | last |\n| --- | ---: | ---: | ---: | ---: |")
    for name in samples[-1]:
        means = [mean(found.get(name, 0.0) for found in part) for part in quarters]
        print(f"| {name} | " + " | ".join(f"{value:,.1f}" for value in means) + " |")
        spare = next(value for word, value in SPARE.items() if word in name)
        if means[3] - means[2] > max(spare, SHARE * means[2]):
            broken.append(name)
    return broken


def main() -> int:
    """Live, and judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.endure", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="simulated")
    parser.add_argument("--rate", type=int, default=120, help="simulated seconds in a real one")
    asked = parser.parse_args()
    tally: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="endure-") as folder, living(Path(folder).resolve(), asked.rate) as world:
        samples = live(world, asked.hours, tally, wrong)
        logs = {server.name: server.output() for server in (world.voice, world.video)}
        files = {server.name: open_files(server.pid) for server in (world.voice, world.video)}
    broken = grown(samples)
    print(f"\nopen at the end: {files}\n" + ", ".join(f"{name}: {count}" for name, count in sorted(tally.items())))
    for name, log in logs.items():
        faults = Counter(line.split('"event":')[1][:60] for line in log.splitlines() if '"level":"error"' in line)
        print(f"errors of {name}: {dict(faults)}")
    for line in (*wrong, *(f"grown: {name}" for name in broken)):
        print(line, file=sys.stderr)
    return 1 if wrong or broken else 0


if __name__ == "__main__":
    sys.exit(main())
