"""Fingerprints of keys, against what gpg said about them."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.openpgp import fingerprints


def packet(tag: int, body: bytes, form: str) -> bytes:
    """One OpenPGP packet, with a header of the old or the new form."""
    if form == "old":
        return bytes([0x80 | tag << 2 | 1]) + len(body).to_bytes(2, "big") + body
    if len(body) < 192:
        return bytes([0xC0 | tag, len(body)]) + body
    return bytes([0xC0 | tag, 255]) + len(body).to_bytes(4, "big") + body


def armored(data: bytes) -> bytes:
    """A key file as it is published."""
    lines = base64.encodebytes(data).decode()
    head, tail = (f"-----{word} PGP PUBLIC KEY BLOCK-----\n" for word in ("BEGIN", "END"))
    return f"{head}Comment: x\n\n{lines}=abcd\n{tail}".encode()


REAL_KEY = """
mDMEZ+Gq1RYJKwYBBAHaRw8BAQdARlh1OX84KPJRedAP/M7WxPFEthWypAp8nvedFhqaX0q0R0RlYmlhbiBTdGFibGUgUmVsZWFz
ZSBLZXkgKDEzL3RyaXhpZSkgPGRlYmlhbi1yZWxlYXNlQGxpc3RzLmRlYmlhbi5vcmc+iJYEExYIAD4WIQRBWH99uMd0vM8TFBZ2
L2egssOd5AUCZ+Gq1QIbAwUJDwmcAAULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRB2L2egssOd5DjVAP49S/e9VAtn9ip2DXj5
zx87MpUXnLHAhT/LsJ7JodnKoQEA8murEqdcC0pPsAA6Gmev/lz0MWUyfe5Y6DMB6t16FQuIdQQTFgoAHRYhBMphnWWnKnut/JbS
gBlkGKrrdMihBQJn4atmAAoJEBlkGKrrdMihxnAA/3i7WOUUDyea6tABVGfFKfHj6yAbfcKVr5GL0WSOQiXNAQC2YTKoTfCY/WOZ
nCwEHebpM3Mr6+A8lenj8pFzm8mFAokCMgQQAQoAHRYhBHIDYw4sjnJyUWhP68XOXcLFQs1ZBQJn4v59AAoJEMXOXcLFQs1ZfdkP
90fbXOydWNb1iXwu/vaUjxSx5Nk0Zwkjj7Pi74PZIfd9c0Luf/j7dEHuJOzkOKvkrpTYeQN8Ms9ITVTMeNSOoQn8tnYsxhHqHUcI
9ym/vJ6liIsE2K95gwH2mOQ24ot59pMyQX7sXE4DuQqlrEW1JRemKs7WJB2E/4I7smqG3+/mqXAoHKkpFBMm1v9tNVx1Tp3ER6C4
VFszONlmX0NLB5If+wSits1LnsVgBK1DHd3Nxh78YQL0W2xBCOfsHryaKkLW6tp1efTpMHfe4lDEgTFvEWaO3NlPEeD67uxAKpEG
1b/CzBqx+Og1RT+0iZkW9oXYoKJI0Vx0HlYeMrhuE+Q0Fqy/nZYcWhq3y6TuGC9J+hyB7D3Z7ne48zNGaAU4x7+6pvkmlBWnNwPH
/IlGbexa/F8o+rU0AWrvYCVRcbbcSsgkq1Dl/Xjbvlx9gwkKnhacbQ5VUOA2Zkp6oBn/pFD1W8xE0X4dNHcM3J5kCAeZuszjPIZX
vwuvAjaOE7ZxKvGDlQTWK8zR5h9tvcwMfVND+EqK0qfDGDMtJqu/W0lSJj3G/FMO3aGn0Ks6b7cmjbCGjmn7WBGJT2PvH4A4ml1q
opWy7Ont6zt1+Clly/0Uf75AamJSrAAYFFIJlcpWH/7NRW2L+n1FoIOv5xj5h675uHh/WFlPTNQqrRaPp1o=
"""
BODY = b"\x04" + bytes(range(60))
OTHER = b"\x04" + bytes(300)


def expected(body: bytes) -> str:
    """RFC 4880, 12.2."""
    return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()  # noqa: S324


@pytest.mark.parametrize("form", ["old", "new"])
@pytest.mark.parametrize("wrap", [bytes, armored])
def test_every_primary_key_is_found_and_nothing_else(form: str, wrap: type[bytes]) -> None:
    data = b"".join(packet(tag, body, form) for tag, body in ((6, BODY), (13, b"somebody"), (14, OTHER), (6, OTHER)))
    assert fingerprints(wrap(data)) == [expected(BODY), expected(OTHER)]


def test_two_blocks_in_one_file_both_count() -> None:
    """A second key hidden behind the expected one would be trusted too."""
    both = armored(packet(6, BODY, "old")) + armored(packet(6, OTHER, "new"))
    assert fingerprints(both) == [expected(BODY), expected(OTHER)]


def test_a_real_key_has_the_fingerprint_that_gpg_shows() -> None:
    """Debian's release key of 2025, as Debian's keyring package holds it."""
    assert fingerprints(base64.b64decode(REAL_KEY)) == ["41587F7DB8C774BCCF131416762F67A0B2C39DE4"]


@pytest.mark.parametrize(
    "data", [b"", b"<html>404</html>", armored(b""), armored(packet(6, BODY, "old"))[:-60], b"\x99\x01"]
)
def test_what_is_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="it"):
        fingerprints(data)


@given(st.binary(max_size=200))
def test_hostile_bytes_end_in_an_answer_or_a_refusal(data: bytes) -> None:
    for form in (data, b"\x99" + data, armored(data)):
        try:
            fingerprints(form)
        except ValueError:
            continue
