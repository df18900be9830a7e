"""What a new container is made of."""

from copy import deepcopy
from typing import Any

from doctor.containers import Container
from doctor.recreation import new_body


def test_a_new_container_is_like_the_old_one(container: Container, inspected: dict[str, Any]) -> None:
    from_image = {"Env": ["PATH=/bin"], "Cmd": ["bash"], "Labels": {"from": "image"}}
    before = deepcopy(inspected)
    body = new_body(container, from_image, "cosyvoice:v2", {"ShmSize": 1 << 30})
    assert body["Image"] == "cosyvoice:v2"
    assert (body["Env"], body["Labels"]) == (["TOKEN=a=b"], {"own": "yes"})
    assert not {"Hostname", "Cmd"} & set(body)
    assert body["HostConfig"]["Binds"] == ["data:/code/data", "f00:/anonymous"]
    assert body["HostConfig"]["ShmSize"] == 1 << 30
    assert body["NetworkingConfig"]["EndpointsConfig"]["net"]["Aliases"] == ["video"]
    assert inspected == before
