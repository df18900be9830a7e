"""Which of the system's errors say something about the storage, and what they say to users."""

from __future__ import annotations

import errno

import pytest

from gateway.domain.storage import StorageError, storage_errors


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "storage_full"),
        (errno.EDQUOT, "storage_full"),
        (errno.EFBIG, "storage_full"),
        (errno.EIO, "storage_broken"),
        (errno.EUCLEAN, "storage_broken"),
        (errno.EROFS, "storage_read_only"),
        (errno.EMFILE, "storage_busy"),
        (errno.EAGAIN, "storage_busy"),
        (errno.ENOMEM, "storage_busy"),
    ],
)
def test_each_error_of_the_system_has_its_own_code(number: int, code: str) -> None:
    with pytest.raises(StorageError) as raised, storage_errors():
        raise OSError(number, "as the system says it")
    assert raised.value.code == code
    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.sentence("zh") != raised.value.sentence("en")


@pytest.mark.parametrize("error", [FileNotFoundError(2, "gone"), PermissionError(13, "theirs"), TimeoutError()])
def test_what_says_nothing_about_the_storage_passes(error: OSError) -> None:
    with pytest.raises(type(error)), storage_errors():
        raise error
