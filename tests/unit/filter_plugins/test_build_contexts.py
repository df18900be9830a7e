"""What goes into the build contexts of our own images."""

from __future__ import annotations

from filter_plugins.build_contexts import build_contexts, image_references


def test_each_target_gets_its_folders_and_all_get_the_authorities() -> None:
    folders = {"gateway": ["gateway"], "preview": ["preview", "engine_patch"]}
    found = build_contexts(
        ["gateway", "preview"],
        folders=folders,
        source="/src",
        role_files="/role/files",
        certificates=["/my/ca.pem"],
    )
    shared = {"Dockerfile": "/role/files/Dockerfile", "ca": "/role/files/ca", "ca/ca.pem": "/my/ca.pem"}
    assert found == {
        "gateway": {**shared, "gateway": "/src/gateway"},
        "preview": {**shared, "preview": "/src/preview", "engine_patch": "/src/engine_patch"},
    }


def test_an_image_is_called_by_the_digest_of_its_context() -> None:
    assert image_references({"gateway": "3f0a9f5b2c11"}) == {"gateway": "twinport/gateway:3f0a9f5b2c11"}
