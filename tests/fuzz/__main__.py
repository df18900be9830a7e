"""Runs fuzz targets: ``python -m tests.fuzz --seconds 600`` for all of them, or name some.

Each target runs in a process of its own. What it learns is kept in ``.cache/fuzz`` and used again by the next run; an
input that breaks a property is printed with its path: put it into ``tests/fuzz/corpus/<target>/`` as a test.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LEARNED = ROOT / ".cache" / "fuzz"
MEMORY_MIB = 1024
SLOWEST_SECONDS = 5
MOST_BYTES = 1 << 16


def targets() -> list[str]:
    """The names of all targets."""
    return sorted(path.stem for path in (HERE / "targets").glob("[!_]*.py"))


def run(target: str, *limits: str, learned: Path) -> bool:
    """Fuzz one target; returns whether every property held.

    Args:
        target: its name.
        limits: libFuzzer's own options.
        learned: folder of the inputs that reached something new, read at the start and added to.
    """
    known, broken = HERE / "corpus" / target, LEARNED / f"{target}-broken"
    for folder in (learned, broken):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.one_target",
        target,
        str(learned),
        *([str(known)] if known.is_dir() else []),
        *limits,
        f"-timeout={SLOWEST_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-max_len={MOST_BYTES}",
        f"-artifact_prefix={broken}/",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _run(target: str, asked: argparse.Namespace) -> bool:
    if asked.runs is None:
        return run(target, f"-max_total_time={asked.seconds}", learned=LEARNED / target)
    with tempfile.TemporaryDirectory() as empty:
        return run(target, f"-runs={asked.runs}", "-seed=1", learned=Path(empty))


def main() -> int:
    """Run what the command line names; the exit status is 1 where any property broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*targets(), []], help="all, where none is named")
    parser.add_argument("--seconds", type=int, default=600, help="per target")
    parser.add_argument("--runs", type=int, help="the same so many inputs each time, with nothing learned before")
    asked = parser.parse_args()
    failed = [target for target in asked.targets or targets() if not _run(target, asked)]
    if failed:
        print(f"broken: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
