"""Every known error is recognised in real log lines and in nothing that only comes close."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from module_utils import preflight_rows
from module_utils.engine_doctor import catalogue as model
from module_utils.engine_doctor.catalogue import Catalogue, CatalogueError, parse
from module_utils.engine_doctor.log_matcher import Rules, match_text
from module_utils.engine_doctor.remedies import KINDS

SAMPLES = yaml.safe_load((Path(__file__).parent / "samples.yml").read_text("utf-8"))
SCHEMA = json.loads((Path(__file__).parents[3] / "engine_patch" / "known_errors.schema.json").read_text("utf-8"))
PREPARED: dict[tuple[str, str], Rules] = {}


def found(catalogue: Catalogue, sample: dict[str, Any], text: str) -> list[str]:
    key = (sample["engine"], sample.get("source", "log"))
    if key not in PREPARED:
        PREPARED[key] = Rules.of(catalogue.select(*key), catalogue.benign)
    return [match.error.id for match in match_text(text.encode(), PREPARED[key])]


def test_every_error_has_samples(catalogue: Catalogue) -> None:
    assert sorted(error.id for error in catalogue.errors) == sorted(SAMPLES)
    assert all(sample["samples"] and sample["near_misses"] for sample in SAMPLES.values())


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_real_lines_are_recognised_as_one_cause(catalogue: Catalogue, name: str) -> None:
    for text in SAMPLES[name]["samples"]:
        assert found(catalogue, SAMPLES[name], text) == [name], text


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_near_misses_are_not_taken_for_it(catalogue: Catalogue, name: str) -> None:
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
        "INFO no frontend is avaliable",
        "INFO synthesis text CUDA out of memory",
        "INFO yield speech len 4.79, rtf 0.2297",
        "[2025-05-25 23:02:15] [process.py[line:108]] [INFO] [audio_transfer >>> 发送完成数据大小:1, frameId:2893]",
        "[ERROR:18@2309.644] global cap.cpp:164 open VIDEOIO(CV_IMAGES): raised OpenCV exception:",
    ],
)
def test_healthy_lines_are_no_fault(catalogue: Catalogue, line: str) -> None:
    for engine in ("cosyvoice", "duix", "gateway"):
        assert found(catalogue, {"engine": engine}, line) == []


def test_the_schema_accepts_the_catalogue(document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(document, SCHEMA)


def test_the_schema_and_the_code_know_the_same_words() -> None:
    entry = SCHEMA["$defs"]["error"]["properties"]
    assert entry["engine"]["enum"] == list(model.ENGINES)
    assert entry["severity"]["enum"] == list(model.SEVERITIES)
    assert entry["sources"]["items"]["enum"] == list(model.SOURCES)
    assert entry["verify"]["enum"] == list(model.VERIFICATIONS)
    assert entry["cost"]["enum"] == list(model.COSTS)
    assert sorted(SCHEMA["$defs"]["remedy"]["properties"]["kind"]["enum"]) == sorted(KINDS)


@pytest.mark.parametrize(
    ("name", "severity", "numbers"),
    [
        ("xid-fatal", "fault", preflight_rows._XID_GONE),
        ("xid-failing", "warning", preflight_rows._XID_FAILING),
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


def test_a_remedy_says_what_it_costs(catalogue: Catalogue) -> None:
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
        ({"remedies": [{"kind": "pray"}]}, "unknown remedy kind 'pray'"),
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
        parse(broken, KINDS)
    assert sentence in str(raised.value)


@pytest.mark.parametrize("other", [None, [], {"schema": 2}, {"schema": 1, "errors": "x"}, {"schema": 1, "errors": [1]}])
def test_other_documents_are_refused(other: Any) -> None:
    with pytest.raises(CatalogueError):
        parse(other, KINDS)
