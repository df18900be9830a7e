"""Where extra certificate authorities go."""

from __future__ import annotations

from filter_plugins.certificate_files import certificate_files


def test_a_certificate_keeps_its_text_and_gets_the_suffix_of_the_store() -> None:
    store = {"folder": "/usr/local/share/ca-certificates", "suffix": "crt"}
    text = "-----BEGIN CERTIFICATE-----\n\n"
    assert certificate_files(["~/company.root.pem"], [text], store) == [
        {"path": f"{store['folder']}/twinport-company.root.crt", "content": text}
    ]
