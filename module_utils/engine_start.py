# SPDX-License-Identifier: Apache-2.0
"""Following an engine's start by its health answers: what to print, and when to stop. No I/O but the script below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

# Run inside the engine's container; its environment may name a proxy, which is not for the container itself.
HEALTH_SCRIPT = """\
import sys, urllib.request
try:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=10) as answer:
        print(answer.read().decode())
except OSError:
    print('{"state": "unreachable"}')
"""


@dataclass(frozen=True)
class Limits:
    """When to print and when to stop.

    Args:
        timeout: seconds after which following ends.
        most_failures: number of times that the container may be found down.
        percent_step: progress after which a line is printed.
        quiet_seconds: longest time without a line.
    """

    timeout: float
    most_failures: int = 10
    percent_step: float = 5
    quiet_seconds: float = 120


@dataclass(frozen=True)
class Observation:
    """What one answer means: a ``line`` to print ("" for none), a ``failure`` that ends the task, or ``ready``."""

    line: str = ""
    failure: str = ""
    ready: bool = False


class EngineStart:
    """The start of one engine, fed with its answers in order."""

    def __init__(self, model: str, container: str, limits: Limits, now: float) -> None:
        self.model, self.container, self.limits = model, container, limits
        self.began = self.last_line_at = now
        self.failures = 0
        self.state, self.percent = "", 0.0

    def observe(self, health: Optional[Mapping[str, Any]], now: float) -> Observation:
        """Take one answer of /health, None where the container was down, at the time ``now`` in seconds."""
        known: Mapping[str, Any] = {"state": "restarting"} if health is None else health
        self.failures += health is None
        state = str(known.get("state"))
        if state == "ready":
            return Observation(line=self._progress(known), ready=True)
        failure = self._failure(state, known, now)
        if failure:
            return Observation(failure=failure)
        percent = float((known.get("download") or {}).get("percent") or 0)
        is_news = state != self.state or percent >= self.percent + self.limits.percent_step
        if not is_news and now - self.last_line_at < self.limits.quiet_seconds:
            return Observation()
        self.state, self.percent, self.last_line_at = state, percent, now
        return Observation(line=self._progress(known))

    def _failure(self, state: str, known: Mapping[str, Any], now: float) -> str:
        if state == "failed":
            error = known.get("error") or {}
            return (
                "CosyVoice could not start: {0} ({1}). More: docker logs {2}. Run the playbook again when the cause is "
                "gone; what was downloaded is kept.".format(error.get("last_line"), error.get("code"), self.container)
            )
        if self.failures >= self.limits.most_failures:
            return (
                "The container {0} was found stopped {1} times while its model was loading. docker logs {0} says why; "
                "ansible-playbook playbooks/doctor.yml names known faults and repairs them.".format(
                    self.container, self.failures
                )
            )
        if now - self.began > self.limits.timeout:
            return (
                "CosyVoice was not ready within {0:.0f} s: {1}. It continues by itself; run the playbook again to "
                "follow it, or set cosyvoice_download_timeout.".format(self.limits.timeout, self._progress(known))
            )
        return ""

    def _progress(self, known: Mapping[str, Any]) -> str:
        text = "{0} {1}".format(self.model, known.get("state"))
        download = known.get("download") or {}
        if known.get("state") != "downloading" or not download:
            return text
        percent = download.get("percent")
        return "{0} {1} %, {2} of {3}, {4}/s".format(
            text,
            "?" if percent is None else percent,
            size(download.get("bytes")),
            size(download.get("total_bytes")),
            size(download.get("bytes_per_second")),
        )


def size(number: Optional[float]) -> str:
    """A number of bytes for people, in decimal units: ``4.7 GB``; ``?`` for None."""
    if number is None:
        return "?"
    amount = float(number)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return "{0:.{1}f} {2}".format(amount, 0 if unit == "bytes" else 1, unit)
        amount /= 1000
    return "{0:.1f} GB".format(amount)
