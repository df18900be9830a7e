"""Every known error is recognised in real log lines and in nothing that only comes close."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from doctor.catalogue import Catalogue, CatalogueError, parse
from doctor.log_matcher import ENGINE_LOG, TEXT, Rules, match_text
from module_utils.preflight import gpu_rows

SAMPLES = yaml.safe_load((Path(__file__).parent / "samples.yml").read_text("utf-8"))
PREPARED: dict[tuple[str, str], Rules] = {}


def found(catalogue: Catalogue, sample: dict[str, Any], text: str) -> list[str]:
    key = (sample["engine"], sample.get("source", "log"))
    if key not in PREPARED:
        reading = ENGINE_LOG if key[1] == "log" else TEXT
        PREPARED[key] = Rules.of(catalogue.select(*key), catalogue.benign, reading=reading)
    return [match.error.id for match in match_text(text.encode(), PREPARED[key])]


def test_every_error_has_samples(catalogue: Catalogue) -> None:
    known = [error.id for error in catalogue.errors]
    lacking = [
        f"{name}: add a {word} for {name} to tests/unit/doctor/samples.yml"
        for name in known
        for word, key in (("sample", "samples"), ("near miss", "near_misses"))
        if not SAMPLES.get(name, {}).get(key)
    ]
    lacking += [f"{name}: in samples.yml, but not in doctor/known_errors.yml" for name in SAMPLES if name not in known]
    assert not lacking, "\n".join(lacking)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_real_lines_are_recognised_as_one_cause(catalogue: Catalogue, name: str) -> None:
    for text in SAMPLES[name]["samples"]:
        assert found(catalogue, SAMPLES[name], text) == [name], text


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_near_misses_do_not_match(catalogue: Catalogue, name: str) -> None:
    for text in SAMPLES[name]["near_misses"]:
        assert name not in found(catalogue, SAMPLES[name], text), text


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_other_engines_lines_are_left_alone(catalogue: Catalogue, name: str) -> None:
    """A pattern of one engine is never looked for in the other one's log."""
    sample = SAMPLES[name]
    if catalogue.by_id()[name].engine != "cosyvoice":
        return
    for text in sample["samples"]:
        assert name not in found(catalogue, {**sample, "engine": "duix"}, text)


@pytest.mark.parametrize(
    "line",
    [
        "failed to import ttsfrd, use wetext instead",
        "failed to import ttsfrd, use WeTextProcessing instead",
        "[E:onnxruntime] Failed to load library libonnxruntime_providers_cuda.so with error: libcufft.so.10",
        "INFO synthesis text CUDA out of memory",
        "INFO yield speech len 4.79, rtf 0.2297",
        "[2025-05-25 23:02:15] [process.py[line:108]] [INFO] [audio_transfer >>> 发送完成数据大小:1, frameId:2893]",
        "[ERROR:18@2309.644] global cap.cpp:164 open VIDEOIO(CV_IMAGES): raised OpenCV exception:",
    ],
)
def test_healthy_lines_are_no_fault(catalogue: Catalogue, line: str) -> None:
    for engine in ("cosyvoice", "duix", "gateway"):
        assert found(catalogue, {"engine": engine}, line) == []


@pytest.mark.parametrize(
    ("name", "severity", "numbers"),
    [
        ("xid-fatal", "fault", gpu_rows._XID_GONE),
        ("xid-failing", "warning", gpu_rows._XID_FAILING),
    ],
)
def test_the_doctor_judges_a_gpu_error_as_preflight_does(
    catalogue: Catalogue, name: str, severity: str, numbers: set[int]
) -> None:
    """What preflight lets pass with a warning must not stop the same run at the doctor."""
    error = catalogue.by_id()[name]
    assert error.severity == severity
    assert {
        int(number) for pattern in error.patterns for number in re.findall(rb"(\d+),$", pattern.parts[-1])
    } == numbers


def test_a_remedy_states_its_cost(catalogue: Catalogue) -> None:
    for error in catalogue.errors:
        kinds = {remedy.kind for remedy in error.remedies}
        if kinds - {"create_directories"}:
            assert error.cost != "none", error.id
        if error.remedies:
            assert error.severity == "fault", error.id


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"engine": "coqui"}, "engine must be one of"),
        ({"patterns": []}, "patterns must not be empty"),
        ({"patterns": ["*"]}, "literal text"),
        ({"remedies": [{"kind": "pray"}], "patterns": ["x"]}, "remedies: kind must be one of"),
        ({"remedies": [{"kind": "replace_file", "file": "x"}], "patterns": ["x"]}, "replace_file: lacks path"),
        ({"remedies": [{"kind": "restart", "speed": 1}], "patterns": ["x"]}, "restart: unknown parameter speed"),
        ({"remedies": [{"kind": "recreate", "shm_size": 8}], "patterns": ["x"]}, "shm_size must be a size such as 8g"),
        ({"remedies": []}, "remedies is empty; leave it out"),
        ({"witness": [{"kind": "path_missing", "paths": ["code"]}]}, "paths must be a list of absolute paths"),
        ({"symptom": 1}, "symptom must be true or false"),
        ({"remedies": [{"kind": "restart"}], "patterns": ["*x"]}, "must begin with literal text"),
        ({"witness": [{"kind": "rumour"}]}, "kind must be one of"),
        ({"title": {"en": "x"}}, "zh must be a text"),
        ({"leads_to": ["nothing"]}, "unknown errors: nothing"),
        ({"colour": "red"}, "unknown fields: colour"),
        ({"severity": ["fault"]}, "severity must be one of"),
    ],
)
def test_mistakes_are_named(document: dict[str, Any], change: dict[str, Any], sentence: str) -> None:
    entry = next(entry for entry in document["errors"] if entry["id"] == "faces")
    broken = {**document, "errors": [{**entry, **change}]}
    with pytest.raises(CatalogueError, match="faces") as raised:
        parse(broken)
    assert sentence in str(raised.value)


def test_an_incomplete_entry_is_named_with_all_that_it_lacks(document: dict[str, Any]) -> None:
    entry = {key: value for key, value in document["errors"][0].items() if key not in ("cause", "reference")}
    with pytest.raises(CatalogueError, match=f"^error '{entry['id']}' lacks cause, reference$"):
        parse({**document, "errors": [entry]})


def test_an_id_is_made_of_lower_case_words(document: dict[str, Any]) -> None:
    with pytest.raises(CatalogueError, match="lower-case words"):
        parse({**document, "errors": [{**document["errors"][0], "id": "No GPU"}]})


@pytest.mark.parametrize(
    "other",
    [None, [], {"schema": 2}, {"schema": 1, "errors": "x"}, {"schema": 1, "errors": []}, {"schema": 1, "errors": [1]}],
)
def test_other_documents_are_refused(other: Any) -> None:
    with pytest.raises(CatalogueError):
        parse(other)
