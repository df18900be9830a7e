"""The faults of a real Duix engine, chosen on the command line for tests."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """The stand-in's behaviour instead of its work."""

    NONE = "none"
    BUSY = "busy"  # submit answers 10001 for ever
    LOCKED = "locked"  # submit answers 10003 for ever, queries are answered
    HTTP_500 = "http-500"  # every route answers 500
    HTML = "html"  # every route answers 200 with a page
    SILENT = "silent"  # accepts the request, never answers
    HANG_UP = "hang-up"  # accepts the connection, closes it without a byte
    STALL = "stall"  # the task stays at 20 %
    DIE = "die"  # the process ends in the middle of the task
    FORGET = "forget"  # the task disappears in the middle: 10004
    DEAD_WORKERS = "dead-workers"  # the port answers, the GPU workers have died
    BROKEN_RESULT = "broken-result"  # the last step crashes; the mp4 does not open


@dataclass(frozen=True)
class Behaviour:
    """How the stand-in behaves; times in seconds, `pace` in seconds of work per second of video."""

    fault: Fault = Fault.NONE
    fault_tasks: int = 0
    pace: float = 0.0
    warm_up: float = 0.0

    def fault_of_task(self, number: int) -> Fault:
        """The fault that task `number` (from 1) meets; with `fault_tasks` set, later ones succeed."""
        return self.fault if not self.fault_tasks or number <= self.fault_tasks else Fault.NONE
