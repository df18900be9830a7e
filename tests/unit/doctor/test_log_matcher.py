"""The matcher: bytes in, matches out, whatever the log looks like."""

import json
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doctor import log_matcher
from doctor.anchors import choose_anchors
from doctor.catalogue import Catalogue, KnownError, Pattern, Text
from doctor.causes import Match
from doctor.log_matcher import BLOCK, LogMatcher, Rules

TEXT = Text("x", "x")


def error(name: str, *patterns: str, **more: object) -> KnownError:
    blank = KnownError(
        id=name, engine="any", severity="fault", sources=frozenset({"log"}),
        patterns=tuple(Pattern.parse(pattern) for pattern in patterns), unless=(), title=TEXT, cause=TEXT, advice=TEXT,
        witness=(), remedies=(), verify="absence", cost="none", symptom=False, leads_to=frozenset(), reference="x",
    )  # fmt: skip
    return replace(blank, **more)


ERRORS = (
    error("tensor", "TypeError: Invalid file: tensor([", "EP Error at tensor(["),
    error("opening", "LibsndfileError: Error opening '/tmp/*.wav'", "Error opening '/tmp/*.wav'"),
    error("queue", "任务视频驱动队列满"),
)


def match_text(
    data: bytes, errors: tuple[KnownError, ...] = ERRORS, benign: tuple[Pattern, ...] = (), since: str = ""
) -> list[Match]:
    return log_matcher.match_text(data, Rules.of(errors, benign), since)


def summary(matches: list[Match]) -> list[tuple[str, int]]:
    return [(match.error.id, match.count) for match in matches]


def in_pieces(data: bytes, size: int, errors: tuple[KnownError, ...] = ERRORS) -> list[Match]:
    matcher = LogMatcher(Rules.of(errors))
    for start in range(0, len(data), size):
        matcher.feed(data[start : start + size])
    return matcher.finish()


def test_counts_with_first_and_last_time() -> None:
    log = (
        b"2026-03-01T10:00:00.5Z EP Error at tensor([[ 1\n"
        b"2026-03-01T10:00:01.000000000Z INFO fine\n"
        b"2026-03-01T11:00:00.123456789Z EP Error at tensor([[ 2\n"
    )
    (match,) = match_text(log, ERRORS)
    assert (match.count, match.first_seen, match.last_seen) == (
        2,
        "2026-03-01T10:00:00.500000000Z",
        "2026-03-01T11:00:00.123456789Z",
    )
    assert match.evidence == "EP Error at tensor([[ 1"


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("[2025-03-25 09:53:53] [process.py[line:108]] [ERROR] [任务视频驱动队列满]", "2025-03-25T09:53:53"),
        ("2025-09-02 11:49:10,914-[service.self_logger]-a.py[line:1]-ERROR: 任务视频驱动队列满", "2025-09-02T11:49:10"),
        ("任务视频驱动队列满", None),
    ],
)
def test_both_duix_generations_report_their_time(line: str, moment: str | None) -> None:
    (match,) = match_text(line.encode(), ERRORS)
    assert (match.first_seen, match.evidence) == (moment, line)


def test_lines_before_the_start_do_not_count() -> None:
    log = (
        b"2026-03-01T10:00:00.000000000Z EP Error at tensor([[ old\n"
        b"2026-03-01T10:00:02.000000000Z EP Error at tensor([[ new\n"
    )
    (match,) = match_text(log, ERRORS, since="2026-03-01T10:00:01Z")
    assert match.evidence.endswith("new")
    assert match.count == 1


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_line_ends(ending: bytes) -> None:
    log = ending.join([b"INFO a", b" 45%|##  | 3/5\r 46%|## | 4/5", b"EP Error at tensor([[ 1", b"INFO b"])
    if not ending:
        log = b"EP Error at tensor([[ 1"
    assert match_text(log, ERRORS)[0].evidence == "EP Error at tensor([[ 1"


def test_what_follows_a_bare_carriage_return_begins_no_line() -> None:
    """A text that somebody sent may hold one."""
    assert match_text(b"INFO synthesis text a\rEP Error at tensor([[ 1\n", ERRORS) == []


def test_a_wildcard_stays_within_its_line() -> None:
    assert match_text(b"Error opening '/tmp/a\nb.wav'", ERRORS) == []
    assert match_text(b"Error opening '/tmp/a\rb.wav'", ERRORS) == []
    assert summary(match_text(b"Error opening '/tmp/a b.wav'", ERRORS)) == [("opening", 1)]


def test_colours_are_seen_through() -> None:
    log = b"\x1b[1;31mEP Error\x1b[0m \x1b[31mat tensor([[ 1\x1b[0m\n"
    assert match_text(log, ERRORS)[0].evidence == "EP Error at tensor([[ 1"


def test_bytes_that_are_no_text_do_no_harm() -> None:
    log = b"\xff\xfe\x00\nEP Error at tensor([ \xe4\xbb\n" + "任务视频驱动队列满".encode() + b"\xff\n"
    assert summary(match_text(log, ERRORS)) == [("tensor", 1), ("queue", 1)]


def test_evidence_is_short_and_printable() -> None:
    log = b"EP Error at tensor([\x07\x1b]0;title\x07" + b"y" * 100_000
    (match,) = match_text(log, ERRORS)
    assert len(match.evidence) <= 400
    assert match.evidence.isprintable()
    assert "EP Error at tensor([" in match.evidence


def docker_json(text: str, moment: str = "2026-03-01T10:00:00.1Z") -> bytes:
    return json.dumps({"log": text, "stream": "stderr", "time": moment}, ensure_ascii=False).encode() + b"\n"


def test_dockers_json_files() -> None:
    log = docker_json("INFO fine\n") + docker_json('EP Error at tensor([[ 1 "<&>\n') + b'{"log":"torn'
    (match,) = match_text(log, ERRORS)
    assert match.evidence == 'EP Error at tensor([[ 1 "<&>'
    assert match.first_seen == "2026-03-01T10:00:00.100000000Z"


def test_messages_that_docker_cut_are_joined() -> None:
    log = docker_json("EP Er") + docker_json("ror at tensor([[ 1\n")
    assert summary(match_text(log, ERRORS)) == [("tensor", 1)]


TRACEBACK = """Traceback (most recent call last):
  File "a.py", line 1, in a
    f()
TypeError: Invalid file: tensor([[ 0.1,
        0.2]])

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "b.py", line 2, in b
soundfile.LibsndfileError: Error opening '/tmp/x.wav': System error.
"""


def test_a_traceback_is_one_incident_and_its_first_error_the_cause() -> None:
    log = f"ERROR: Exception in ASGI application\n{TRACEBACK}INFO next\n" * 3
    (match,) = match_text(log.encode(), ERRORS)
    assert (match.error.id, match.count) == ("tensor", 3)
    assert [(f.id, f.count) for f in match.followers] == [("opening", 3)]


def test_a_record_of_the_other_stream_does_not_cut_a_traceback() -> None:
    lines = TRACEBACK.splitlines(keepends=True)
    log = "".join([*lines[:2], 'INFO:     "POST /inference_zero_shot HTTP/1.1" 200 OK\n', *lines[2:]])
    (match,) = match_text(log.encode(), ERRORS)
    assert (match.error.id, match.count) == ("tensor", 1)


def test_an_exception_group_is_one_incident() -> None:
    log = """ERROR:    Exception in ASGI application
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in a
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "b.py", line 1, in b
    | TypeError: Invalid file: tensor([[ 1
    |
    | During handling of the above exception, another exception occurred:
    |
    | Traceback (most recent call last):
    | soundfile.LibsndfileError: Error opening '/tmp/x.wav': System error.
    +------------------------------------
"""
    (match,) = match_text(log.encode(), ERRORS)
    assert (match.error.id, match.count, [f.id for f in match.followers]) == ("tensor", 1, ["opening"])


@pytest.mark.parametrize(
    "prefix", ["2026-03-01T10:00:00.000000001Z ", "2025-04-06 19:02:06 ", "gen-video | 2025-05-25 23:02:14.634 | "]
)
def test_what_a_log_writes_before_each_line_does_not_hide_the_traceback(prefix: str) -> None:
    log = "".join(f"{prefix}{line}\n" for line in f"INFO a\n{TRACEBACK}INFO b".split("\n"))
    (match,) = match_text(log.encode(), ERRORS)
    assert (match.error.id, match.count, [f.id for f in match.followers]) == ("tensor", 1, ["opening"])


def test_tracebacks_one_after_the_other_are_two_incidents() -> None:
    one = 'Traceback (most recent call last):\n  File "a.py"\nTypeError: Invalid file: tensor([[ 1\n'
    assert summary(match_text((one * 2).encode(), ERRORS)) == [("tensor", 2)]
    assert summary(match_text(f"{one}INFO a\n{one}".encode(), ERRORS)) == [("tensor", 2)]


def test_what_another_error_leads_to_is_listed_under_it() -> None:
    errors = (error("late", "second thing", leads_to=frozenset({"last"})), error("last", "third thing"),
              error("early", "first thing", leads_to=frozenset({"late"})))  # fmt: skip
    (match,) = match_text(b"first thing\nsecond thing\nthird thing\nthird thing\n", errors)
    assert match.error.id == "early"
    assert [(f.id, f.count) for f in match.followers] == [("late", 1), ("last", 2)]


def test_an_effect_before_its_cause_stays_a_finding() -> None:
    errors = (error("cause", "the cause", leads_to=frozenset({"effect"})), error("effect", "the effect"))
    assert summary(match_text(b"the effect\nthe cause\n", errors)) == [("effect", 1), ("cause", 1)]


def test_a_symptom_is_listed_under_the_fault_in_any_order() -> None:
    errors = (error("loop", "restart loop", symptom=True), error("fault", "the fault"))
    (match,) = match_text(b"restart loop\nthe fault\n", errors)
    assert (match.error.id, [f.id for f in match.followers]) == ("fault", ["loop"])


def test_benign_lines() -> None:
    benign = (Pattern.parse("as usual"),)
    errors = (error("bad", "went wrong", unless=(Pattern.parse("on purpose"),)),)
    log = b"went wrong as usual\nwent wrong on purpose\nwent wrong\n"
    assert summary(match_text(log, errors, benign)) == [("bad", 1)]


@pytest.mark.parametrize("size", [1, 7, 64, 4096, BLOCK])
def test_the_size_of_the_pieces_does_not_matter(size: int) -> None:
    log = (f"INFO a\n{TRACEBACK}INFO b\n" * 20).encode()
    assert in_pieces(log, size) == match_text(log, ERRORS)


def test_an_incident_across_two_blocks_is_still_one() -> None:
    padding = b"INFO nothing at all\n" * (BLOCK // 20)
    for cut in range(0, len(TRACEBACK), 40):
        log = padding[: BLOCK - cut - (BLOCK - cut) % 20] + TRACEBACK.encode() + padding
        assert summary(in_pieces(log, BLOCK)) == [("tensor", 1)], cut


def test_a_line_without_end_is_counted_once() -> None:
    fault = b"EP Error at tensor(["
    for offset in (0, BLOCK - 20, BLOCK - 4000, BLOCK + 5, 2 * BLOCK - 10):
        log = b"x" * offset + fault + b"y" * (3 * BLOCK) + b"\n" + fault
        assert summary(in_pieces(log, 100_000)) == [("tensor", 1 if offset else 2)], offset


def test_memory_does_not_grow_with_the_log() -> None:
    lines = (b"INFO fine\n" * 999 + b"EP Error at tensor([[ 1\n") * 100
    matcher = LogMatcher(Rules.of(ERRORS))
    tracemalloc.start()
    for _ in range(20):
        matcher.feed(lines)
    matcher.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 << 20


@pytest.mark.parametrize(
    "unit",
    [
        b"Error opening '/tmp/", b"\x1b[", b"\x1b[0;0;0", b"Traceback (most recent call last)", b"\r", b'{"log":"',
        b"Traceback (most recent call last)\n  x\n", "任务".encode(), b"EP Error at tensor([",
    ],
)  # fmt: skip
def test_hostile_content_is_searched_in_linear_time(unit: bytes) -> None:
    """Work that grows with the square of a line's or a log's length would not end within the tests' time limit."""
    data = unit * ((8 << 20) // len(unit))
    assert summary(in_pieces(data + b"\nINFO a\nINFO b\nEP Error at tensor([\n", 1 << 20))[-1][0] == "tensor"


@given(st.lists(st.text(max_size=12), min_size=1, max_size=12))
def test_every_pattern_has_an_anchor_that_it_contains(sources: list[str]) -> None:
    patterns = [Pattern.parse(source) for source in sources if source.replace("*", "")]
    anchors = choose_anchors(patterns)
    assert sorted(index for owned in anchors.values() for index in owned) == list(range(len(patterns)))
    for anchor, owned in anchors.items():
        assert all(any(anchor in part for part in patterns[index].parts) for index in owned)


@given(st.binary(max_size=2000), st.integers(1, 300))
def test_any_bytes_in_any_pieces(data: bytes, size: int) -> None:
    log = data + b"\nEP Error at tensor([\n" + data
    assert summary(in_pieces(log, size)) == summary(match_text(log, ERRORS))
    assert "tensor" in [match.error.id for match in match_text(log, ERRORS)] or b"Traceback" in data


def test_the_real_catalogue_needs_few_passes(catalogue: Catalogue) -> None:
    """Only patterns that may stand anywhere in a line need passes of their own."""
    for engine in ("cosyvoice", "duix"):
        anywhere = [p for known in catalogue.select(engine, "log") for p in known.patterns if p.open_start]
        assert len(choose_anchors(anywhere)) <= 20


@pytest.mark.parametrize(
    "line",
    [
        "ERROR {}", "ERROR: {}", "ERROR:root:{}", "2026-03-01 10:00:00,123 ERROR {}", "[ERROR] {}",
        "2026-03-01 10:00:00,123 - modelscope - ERROR - {}", "2026-03-01 10:00:00.123 | ERROR    | a.b:main:12 - {}",
        "2026-03-01 10:00:00.123456789 [E:onnxruntime:, a.cc:12 Run] {}", "E0301 10:00:00.123456 12 a.cc:12] {}",
        "  what():  {}", "engine  | ERROR {}", "ERROR state=failed stage=loading code=x exit_code=14 ValueError: {}",
        "Traceback (most recent call last):\n  File \"a.py\", line 1\na.b.Fail: {}",
    ],
)  # fmt: skip
def test_a_message_counts_wherever_a_program_words_it(line: str) -> None:
    fault = error("fault", "'Loader' object has no attribute")
    text = line.format("'Loader' object has no attribute 'max_depth'")
    assert summary(match_text(f"INFO a\n{text}\nINFO b\n".encode(), (fault,))) == [("fault", 1)]
    assert match_text(f"INFO a\n{text.replace('ERROR', 'INFO').replace('E:', 'I:')}\n".encode(), (fault,)) == [] or (
        "ERROR" not in line and "E:" not in line
    )
