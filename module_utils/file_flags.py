# SPDX-License-Identifier: Apache-2.0
"""Attributes of files that chattr(1) sets, on the host that this runs on."""

from __future__ import annotations

import fcntl
import os

# FS_IOC_GETFLAGS and FS_IMMUTABLE_FL of linux/fs.h.
_GET_FLAGS, _IMMUTABLE = 0x80086601, 0x10


def is_immutable(path: str) -> bool:
    """Whether a file carries the attribute that chattr(1) calls ``i``; False where it can't be asked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        flags = fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return bool(int.from_bytes(flags[:4], "little") & _IMMUTABLE)
