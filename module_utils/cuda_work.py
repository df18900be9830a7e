# SPDX-License-Identifier: Apache-2.0
"""A piece of work on every GPU through the driver alone: a context, a page copied there and back.

``nvidia-smi`` only asks the management library; it may be all right while no program can compute. Also the program
that runs inside a container (``python3 -c`` with this module's source), so it imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

PAGE = 4096  # bytes


class CudaError(Exception):
    """A call of the driver failed; the message names both."""


def work(driver: Any) -> int:
    """Compute on each GPU that the driver offers, and return how many there are.

    Args:
        driver: ``libcuda.so.1``, loaded.

    Raises:
        CudaError: a call fails, or what comes back from a GPU is not what went there.
    """
    _call(driver, "cuInit", ctypes.c_uint(0))
    number = ctypes.c_int()
    _call(driver, "cuDeviceGetCount", ctypes.byref(number))
    for ordinal in range(number.value):
        _copy(driver, ordinal)
    return number.value


def _copy(driver: Any, ordinal: int) -> None:
    device, context, place = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    _call(driver, "cuDeviceGet", ctypes.byref(device), ctypes.c_int(ordinal))
    _call(driver, "cuCtxCreate_v2", ctypes.byref(context), ctypes.c_uint(0), device)
    _call(driver, "cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t(PAGE))
    there = bytes(index % 251 for index in range(PAGE))
    back = ctypes.create_string_buffer(PAGE)
    _call(driver, "cuMemcpyHtoD_v2", place, there, ctypes.c_size_t(PAGE))
    _call(driver, "cuMemcpyDtoH_v2", back, place, ctypes.c_size_t(PAGE))
    _call(driver, "cuMemFree_v2", place)
    _call(driver, "cuCtxDestroy_v2", context)
    if back.raw != there:
        raise CudaError("GPU {0} returns other bytes than it was given".format(ordinal))


def _call(driver: Any, name: str, *arguments: Any) -> None:
    try:
        code = getattr(driver, name)(*arguments)
    except AttributeError:
        raise CudaError("the driver's library has no {0}".format(name)) from None
    if code:
        raise CudaError("{0} failed: {1}".format(name, _error_name(driver, code)))


def _error_name(driver: Any, code: int) -> str:
    text = ctypes.c_char_p()
    try:
        known = driver.cuGetErrorName(ctypes.c_int(code), ctypes.byref(text)) == 0
    except AttributeError:
        known = False
    return "{0} ({1})".format((text.value or b"").decode() if known else "error", code)


def main() -> int:
    """Print the number of GPUs, or what failed."""
    try:
        number = work(ctypes.CDLL("libcuda.so.1"))
    except (CudaError, OSError) as error:
        sys.stderr.write("{0}\n".format(error))
        return 1
    sys.stdout.write("{0}\n".format(number))
    return 0


if __name__ == "__main__":
    sys.exit(main())
