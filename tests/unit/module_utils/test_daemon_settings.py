"""Several owners of one daemon.json: nobody loses anything, and everything can be given back."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from module_utils.daemon_settings import fill, leaves, merge

FOREIGN = {"log-driver": "journald", "runtimes": {"kata": {"path": "kata-runtime"}}, "labels": ["a=b"]}
NVIDIA = {"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "args": []}}, "features": {"cdi": True}}

_names = st.sampled_from(["data-root", "live-restore", "runtimes", "features", "log-opts"])
_values = st.one_of(st.booleans(), st.text(max_size=3), st.lists(st.integers(), max_size=2))
_documents = st.dictionaries(
    _names, st.one_of(_values, st.dictionaries(_names, _values, min_size=1, max_size=2)), max_size=4
)


def without_nested_conflicts(document: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Whether nobody puts a value where somebody else has a group."""
    paths = [path for path, _value in [*leaves(document), *leaves(settings)]]
    return not any(a != b and a == b[: len(a)] for a in paths for b in paths)


def test_settings_lie_beside_foreign_ones() -> None:
    merged = merge(FOREIGN, (), NVIDIA)
    assert merged.document["runtimes"] == {
        "kata": {"path": "kata-runtime"},
        "nvidia": {"path": "nvidia-container-runtime", "args": []},
    }
    assert merged.document["log-driver"] == "journald"
    assert merged.actions == ("set features.cdi", "set runtimes.nvidia.args", "set runtimes.nvidia.path")
    assert merged.restart


def test_a_second_merge_changes_nothing() -> None:
    first = merge(FOREIGN, (), NVIDIA)
    second = merge(first.document, first.holdings, NVIDIA)
    assert second.actions == ()
    assert not second.restart
    assert second.holdings == first.holdings


# How fast examples are made depends on what else the machine does.
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=_documents, settings=_documents)
def test_what_was_set_can_be_given_back(document: dict[str, Any], settings: dict[str, Any]) -> None:
    if without_nested_conflicts(document, settings):
        set_ = merge(document, (), settings)
        assert merge(set_.document, set_.holdings, {}).document == document


def test_the_value_from_before_comes_back() -> None:
    set_ = merge({"live-restore": False}, (), {"live-restore": True})
    assert set_.document == {"live-restore": True}
    assert merge(set_.document, set_.holdings, {}).document == {"live-restore": False}


def test_a_value_changed_by_someone_else_since_is_theirs() -> None:
    set_ = merge({}, (), {"data-root": "/ours"})
    assert merge({"data-root": "/theirs"}, set_.holdings, {}).document == {"data-root": "/theirs"}


def test_what_dockerd_reads_again_by_itself_needs_no_restart() -> None:
    assert not merge({}, (), {"live-restore": True, "registry-mirrors": ["https://m.example"]}).restart
    assert merge({}, (), {"data-root": "/x"}).restart


def test_defaults_keep_existing_choices() -> None:
    defaults = {"log-driver": "json-file", "log-opts": {"max-size": "20m"}, "live-restore": True}
    assert fill(FOREIGN, (), defaults) == {"live-restore": True}
    assert fill({"log-opts": {"max-size": "1g"}}, (), defaults) == {"live-restore": True}
    assert fill({}, (), defaults) == defaults


def test_defaults_stay_ours_while_unchanged() -> None:
    defaults = {"log-driver": "json-file", "log-opts": {"max-size": "20m"}}
    set_ = merge({}, (), defaults)
    assert fill(set_.document, set_.holdings, {**defaults, "log-opts": {"max-size": "50m"}})["log-opts"] == {
        "max-size": "50m"
    }
    changed = {**set_.document, "log-driver": "journald"}
    assert fill(changed, set_.holdings, defaults) == {}
