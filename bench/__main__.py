"""``python -m bench``: run the cases, print their tables, write the results."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from bench import needs, results
from bench.context import new_context
from bench.measure import Figure

CASES = ("stream", "normalise", "speech", "files", "doctor", "queue", "engine", "deploy")
FOLDER = Path(__file__).resolve().parent
PRIORITY = -10


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=CASES, action="append", metavar="NAME", help=f"among {', '.join(CASES)}")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, to see that a case works; other results file"
    )
    parser.add_argument("--rounds", type=int, default=0, help="how often each variant runs (default: the case's own)")
    parser.add_argument("--output", type=Path, help="default: bench/results.json, or results-quick.json with --quick")
    return parser


def _take_precedence() -> None:
    """Raise the priority, so that other work disturbs all variants less; only root may do that."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)


def run_case(name: str, *, quick: bool, rounds: int = 0) -> list[Figure]:
    """Measure one case; every figure's name begins with the case's."""
    # Only now, because cases import what `needs` has just installed.
    case = import_module(f"bench.cases.{name}")
    with new_context(quick=quick, rounds=rounds) as context:
        figures: list[Figure] = case.measure(context)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen cases; 1 when a case could not run. Missed goals are shown, not an error."""
    options = _parser().parse_args(arguments)
    output: Path = options.output or FOLDER / ("results-quick.json" if options.quick else "results.json")
    try:
        needs.install()
    except needs.NeedMissing as missing:
        print(f"twinport: {missing}", file=sys.stderr)
        return 1
    _take_precedence()
    # Servers and hosts are removed at the end, however the run ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    everything: list[Figure] = []
    failed: list[str] = []
    for name in options.only or CASES:
        print(f"==> {name}", flush=True)
        started = time.monotonic()
        try:
            figures = run_case(name, quick=options.quick, rounds=options.rounds)
        except Exception as error:  # noqa: BLE001 - one case that can't run must not cost the others
            print(f"twinport: {name} could not be measured: {str(error)[:2000] or error!r}", file=sys.stderr)
            failed.append(name)
            continue
        results.keep(output, name, figures)
        everything += figures
        print(f"    {time.monotonic() - started:.0f} s", flush=True)
    size = "quick sizes: the figures mean little" if options.quick else "full sizes"
    results.show(f"Twinport side by side ({size})", everything)
    missed = [figure.name for figure in everything if figure.met is False]
    print(f"{output}: {len(everything)} figures, {len(missed)} goals missed" + "".join(f"\n  {one}" for one in missed))
    if failed:
        print(f"twinport: not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
