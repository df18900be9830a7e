"""Proves a cure: the fault stays away and the engine answers a request."""

from __future__ import annotations

import http.client
import time
from typing import Callable, FrozenSet, Optional

from .containers import Container
from .diagnosis import Examiner, Patient

PORTS = {"cosyvoice": 50000, "duix": 8383}
PAUSE = 2.0  # seconds between two looks
REQUEST_TIMEOUT = 10.0


def verify(
    examiner: Examiner,
    patient: Patient,
    cured: FrozenSet[str],
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Optional[bool]:
    """True: the engine serves again and no cured fault came back. False: one did. None: no answer in time (seconds)."""
    deadline = time.monotonic() + timeout
    while True:
        now = examiner.patient(patient.name, patient.engine)
        faults = {match.error.id for match in examiner.examine(now) if match.error.severity == "fault"}
        if faults & cured:
            return False
        if not faults and now.container and answers(now.container, patient.engine):
            return True
        if time.monotonic() >= deadline:
            return None
        sleep(PAUSE)


def answers(container: Container, engine: str) -> bool:
    """True when the engine in the container speaks HTTP; containers without a known port need only run."""
    if not container.running:
        return False
    port = PORTS.get(engine)
    if port is None:
        return True
    hosts = ("127.0.0.1",) if container.network_mode == "host" else container.addresses
    return any(_speaks_http(host, port) for host in hosts)


def _speaks_http(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=REQUEST_TIMEOUT)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
