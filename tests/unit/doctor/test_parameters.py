"""The catalogue and the code know the same kinds of remedies and witnesses."""

from doctor import parameters, remedies, witness


def test_every_kind_has_its_code() -> None:
    assert list(parameters.REMEDIES) == list(remedies.KINDS)
    assert list(parameters.WITNESSES) == list(witness.KINDS)
