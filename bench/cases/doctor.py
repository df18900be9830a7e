"""A gigabyte of engine log: the doctor's matcher against grep with the same patterns."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import yaml

from bench.context import Context
from bench.measure import Figure, Rounds, Sample, at_most
from bench.processes import run_to_end
from doctor import catalogue
from tests.support.servers import ROOT

MIB = 2**20
CATALOGUE = ROOT / "doctor" / "known_errors.yml"
# In the format of `docker logs --timestamps`; numbers make every line different.
HEALTHY = (
    'INFO:     172.18.0.3:{a} - "POST /inference_zero_shot HTTP/1.1" 200 OK',
    "2026-03-17 10:{b:02d}:{c:02d},{d:03d} INFO synthesis text The {a} quick brown foxes jump over {d} lazy dogs.",
    "2026-03-17 10:{b:02d}:{c:02d},{d:03d} INFO synthesis text 今天天气很好，我们去公园散步，看看湖边的{a}棵柳树。",
    "2026-03-17 10:{b:02d}:{c:02d},{d:03d} INFO yield speech len {b}.{d}, rtf 0.{d}",
    "  {b}%|███▌      | {b}/100 [00:0{e}<00:1{e}, {e}.{d}it/s]",
    "INFO cosyvoice.server speech spoken request_id={a:08x}{d:04x} seconds={b}.{c} took={e}.{d}",
    'DEBUG urllib3.connectionpool https://www.modelscope.cn:443 "GET /api/v1/models/iic/{a} HTTP/1.1" 200 {d}',
    "WARNING /opt/conda/lib/python3.10/site-packages/torch/nn/utils/weight_norm.py:{b}: UserWarning: {a} deprecated.",
    "failed to import ttsfrd, use wetext instead",
)
TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "/opt/CosyVoice/CosyVoice/runtime/python/fastapi/server.py", line {b}, in inference',
    "    for i in model_output:",
)
LINES_PER_FAULT = 20_000


def _lines(generator: random.Random, faults: Sequence[str]) -> Iterator[str]:
    """Endless lines; with `faults`, some of them at the end of a traceback."""
    number = 0
    while True:
        number += 1
        numbers = {
            "a": generator.randrange(10**8),
            "b": generator.randrange(60),
            "c": generator.randrange(60),
            "d": generator.randrange(1000),
            "e": generator.randrange(10),
        }
        stamp = "2026-03-17T10:{b:02d}:{c:02d}.{a:08d}0Z ".format(**numbers)
        lines = [generator.choice(HEALTHY)]
        if faults and number % LINES_PER_FAULT == 0:
            lines = [*TRACEBACK, generator.choice(faults).replace("{", "{{").replace("}", "}}")]
        for line in lines:
            yield stamp + line.format(**numbers) + "\n"


def _write_log(path: Path, size: int, faults: Sequence[str]) -> int:
    """A log of about `size` bytes, a repetition of its first 64 MiB; returns its exact size."""
    generator = random.Random(2026)  # noqa: S311 - the same log every time
    lines, part, made = _lines(generator, faults), [], 0
    while made < min(size, 64 * MIB):
        part.append(next(lines).encode())
        made += len(part[-1])
    block = b"".join(part)
    with path.open("wb") as file:
        for _ in range(-(-size // made)):
            file.write(block)
    return path.stat().st_size


def _patterns(document: object) -> list[str]:
    errors = catalogue.parse(document).select("cosyvoice", "log")
    return ["*".join(part.decode() for part in pattern.parts) for error in errors for pattern in error.patterns]


def _expression(pattern: str) -> str:
    """The catalogue's pattern as grep's extended expression."""
    return ".*".join(re.sub(r"([\\.^$*+?()\[\]{}|])", r"\\\1", piece) for piece in pattern.split("*"))


def _run(command: Sequence[str], size: int, *, locale: str = "C.UTF-8") -> Sample:
    ended = run_to_end(command, environment={"LC_ALL": locale})
    if ended.status:
        raise RuntimeError(f"{command[0]} ended with {ended.status}")
    return {"seconds": ended.seconds, "rate": size / MIB / ended.seconds, "memory": ended.peak_mib}


def _findings(matcher: Sequence[str], path: Path) -> float:
    return float(run_to_end([*matcher, str(path)], environment={}).output)


def measure(context: Context) -> list[Figure]:
    """Time and memory on a log with faults; findings in a healthy one."""
    document = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    patterns = _patterns(document)
    known = context.folder / "known_errors.json"
    known.write_text(json.dumps(document), encoding="utf-8")
    matcher = [sys.executable, "-m", "bench.servers.match_log", str(known)]
    expressions = context.folder / "patterns"
    expressions.write_text("\n".join(map(_expression, patterns)) + "\n", encoding="utf-8")
    log, healthy = context.folder / "engine.log", context.folder / "healthy.log"
    size = _write_log(log, (64 if context.quick else 1024) * MIB, [pattern.replace("*", " x ") for pattern in patterns])
    _write_log(healthy, (16 if context.quick else 100) * MIB, ())
    grep = ["grep", "-aEc", "-f", str(expressions), str(log)]
    variants: dict[str, Callable[[], Sample]] = {
        "twinport": partial(_run, [*matcher, str(log)], size),
        "grep": partial(_run, grep, size),
        "grep (LC_ALL=C)": partial(_run, grep, size, locale="C"),
    }
    context.say(f"{size // MIB} MiB, {len(patterns)} patterns")
    # Read once, so that no variant is charged for the disk.
    variants["grep"]()
    rounds = Rounds.of(variants, context.times(5))
    label = f"doctor/{size // MIB} MiB of log, {len(patterns)} patterns"
    goal = at_most(3.0, "ratio")
    none = at_most(0.0)
    return [
        rounds.figure(f"{label}, time/twinport", "twinport", "seconds", "s", against="grep", goal=goal),
        rounds.figure(
            f"{label}, time/twinport beside bytes", "twinport", "seconds", "s", against="grep (LC_ALL=C)", goal=goal
        ),
        rounds.figure(f"{label}, memory/twinport", "twinport", "memory", "MiB", against="grep", goal=at_most(64.0)),
        Figure(
            "doctor/findings in 100 MiB of healthy log/twinport", _findings(matcher, healthy), "findings", goal=none
        ),
        Figure(
            f"doctor/findings in {size // MIB} MiB of log with faults/twinport", _findings(matcher, log), "findings"
        ),
    ]
