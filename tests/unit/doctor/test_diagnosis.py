"""Which engine a container runs, and which lines of its log count."""

from dataclasses import replace

from doctor.containers import Container
from doctor.diagnosis import engine_of, run_start


def test_lines_count_from_the_end_of_the_run_before(container: Container) -> None:
    first = container
    assert run_start(first) == "2026-03-01T10:00:00Z"
    second = replace(container, finished_at="2026-03-01T10:59:59.9Z")
    assert run_start(second) == "2026-03-01T10:59:59.900000000Z"
    ended = replace(container, status="exited", finished_at="2026-03-01T11:30:00Z")
    assert run_start(ended) == "2026-03-01T10:59:58.500000000Z"
    # Docker's own order for a run of a few milliseconds.
    at_once = replace(container, status="exited", finished_at="2026-03-01T11:00:00.4Z")
    assert run_start(at_once) == "2026-03-01T10:59:58.400000000Z"


def test_the_engine_of_a_container_of_unknown_name(container: Container) -> None:
    assert engine_of(container) == "cosyvoice"
    assert engine_of(replace(container, image="guiji2025/duix.avatar", command=())) == "duix"
    assert engine_of(replace(container, image="nginx", command=())) == "other"
