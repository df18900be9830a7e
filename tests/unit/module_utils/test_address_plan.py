"""Docker's addresses: what somebody uses is left alone, whoever it is; what nobody uses is left to Docker."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from module_utils.address_plan import DOCKER_TAKES, Network, Use, plan, ranges_of, summary


def use(network: str, *, on_link: bool = False) -> Use:
    return Use(ip_network(network), "somebody", on_link)


def chosen(settings: Any) -> list[Network]:
    pools = [ip_network(pool["base"]) for pool in settings.get("default-address-pools", [])]
    return [*pools, *([ip_network(settings["bip"], strict=False)] if "bip" in settings else [])]


@pytest.mark.parametrize(
    "network", ["172.17.3.4/32", "172.18.0.10/32", "172.16.0.0/12", "192.168.7.0/24", "128.0.0.0/2"]
)
def test_a_range_that_docker_would_take_is_left_to_its_user(network: str) -> None:
    made = plan([use(network), use("10.0.0.0/24", on_link=True)], {}, {})
    assert made.clashes
    assert set(made.settings) == {"bip", "default-address-pools"}
    ranges = chosen(made.settings)
    assert not any(one.overlaps(ip_network(network)) for one in ranges)
    assert not ranges[0].overlaps(ranges[1])
    assert made.problems == ()


@pytest.mark.parametrize("network", ["10.1.2.3/32", "8.8.8.8/32", "172.32.0.0/16", "fd00::/8"])
def test_where_nobody_is_in_dockers_way_nothing_is_set(network: str) -> None:
    assert plan([use(network)], {}, {}).settings == {}


def test_what_docker_sees_itself_needs_no_setting() -> None:
    uses = [use("172.17.0.0/16", on_link=True), use("172.17.0.1/32")]
    assert plan(uses, {}, {}).settings == {}


def test_a_choice_avoids_also_what_docker_sees() -> None:
    on_link = [use(f"172.{second}.0.0/16", on_link=True) for second in range(20, 32)]
    ranges = chosen(plan([use("172.18.0.10/32"), *on_link], {}, {}).settings)
    assert not any(one.overlaps(other.network) for one in ranges for other in on_link)


def test_a_choice_is_kept_when_its_reason_is_gone() -> None:
    made = plan([use("172.18.0.10/32")], {}, {}).settings
    assert plan([], dict(made), {}).settings == made


def test_what_the_user_has_chosen_stays() -> None:
    own = {"bip": "10.200.0.1/24", "default-address-pools": [{"base": "10.201.0.0/16", "size": 24}]}
    assert plan([use("172.18.0.10/32")], own, {}).settings == own


def test_a_missing_half_is_added_beside_the_users() -> None:
    made = plan([use("172.18.0.10/32")], {"bip": "172.31.0.1/16"}, {})
    assert made.settings["bip"] == "172.31.0.1/16"
    bridge, pool = chosen({"bip": "172.31.0.1/16"})[0], chosen(made.settings)[0]
    assert not bridge.overlaps(pool)


@pytest.mark.parametrize(
    "own", [{"bip": "172.18.0.1/16"}, {"default-address-pools": [{"base": "172.16.0.0/12", "size": 24}]}]
)
def test_a_choice_that_cuts_somebody_off_is_a_problem(own: dict[str, Any]) -> None:
    made = plan([use("172.18.0.10/32")], own, {})
    assert len(made.problems) == 1
    assert "172.18.0.10 (somebody)" in made.problems[0]
    assert made.settings == own


def test_the_bridge_of_a_running_docker_stays_and_its_new_networks_get_free_ranges() -> None:
    networks = {"bridge": [ip_network("172.17.0.0/16")], "shop": [ip_network("172.31.0.0/16")]}
    made = plan([use("172.18.0.10/32")], {}, networks)
    assert set(made.settings) == {"default-address-pools"}
    assert not chosen(made.settings)[0].overlaps(ip_network("172.31.0.0/16"))


def test_a_network_that_is_in_the_way_already_is_named() -> None:
    made = plan([use("172.18.0.0/24")], {}, {"shop": [ip_network("172.18.0.0/16")]})
    assert made.overlaps == ("Docker's network shop (172.18.0.0/16) takes 172.18.0.0/24 (somebody)",)


def test_where_everything_is_taken_a_person_must_choose() -> None:
    made = plan([use("172.16.0.0/12"), use("10.0.0.0/8"), use("198.18.0.0/15")], {}, {})
    assert len(made.problems) == 1
    assert "docker_daemon_settings" in made.problems[0]


@pytest.mark.parametrize(
    "strange", [{"bip": "x"}, {"bip": 5}, {"default-address-pools": "x"}, {"default-address-pools": [1]}]
)
def test_settings_that_make_no_sense_are_left_to_docker(strange: dict[str, Any]) -> None:
    assert plan([use("10.0.0.1/32")], strange, {}).problems == ()


def test_texts_that_are_no_range_and_halves_of_everything_are_left() -> None:
    texts = ["default", "", "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "fe80::1%eth0", "10.0.0.1", "::/0", "x/y"]
    assert [str(network) for network in ranges_of(texts)] == ["fe80::1/128", "10.0.0.1/32"]


def test_a_long_list_is_shortened() -> None:
    assert summary(["a", "b"]) == "a, b"
    assert summary(list("abcde")) == "a, b, c and 2 more"


def test_dockers_own_ranges_are_all_known() -> None:
    assert len(DOCKER_TAKES) == 16
