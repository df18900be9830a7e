# SPDX-License-Identifier: Apache-2.0
"""Reading one nftables table (family inet) as the kernel has it."""

from __future__ import annotations

import shutil

from .host_commands import output_of


def nft_program() -> str:
    """Path of the program nft, or its usual path if it is missing."""
    return shutil.which("nft") or "/usr/sbin/nft"


def kernel_table(name: str) -> str:
    """The table's listing, without counters; "" where there is none, or no nft."""
    return output_of([nft_program(), "--stateless", "list", "table", "inet", name])
