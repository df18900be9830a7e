# SPDX-License-Identifier: Apache-2.0
"""The documentation that modules share: support of check and diff mode, the author, and how the entries are asked."""

from __future__ import annotations


class ModuleDocFragment:
    """`twinport` for modules that change a host, `.no_diff`, `.read_only`; `.entries` and `.tls` for those that ask."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Returns what a real run would change, and changes nothing.
    support: full
  diff_mode:
    description: Returns what has changed, or in check mode what would change.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
author: [The Twinport developers]
"""

    NO_DIFF = r"""
attributes:
  check_mode:
    description: Returns what a real run would change, and changes nothing.
    support: full
  diff_mode:
    description: What it writes has no readable difference.
    support: none
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
author: [The Twinport developers]
"""

    READ_ONLY = r"""
attributes:
  check_mode:
    description: Never reports a change.
    support: full
  diff_mode:
    description: Nothing is changed.
    support: none
  idempotent:
    description: Never reports a change.
    support: full
author: [The Twinport developers]
"""

    ENTRIES = r"""
options:
  voice_url:
    description: Base URL of the voice entry.
    type: str
    required: true
  video_url:
    description: Base URL of the video entry.
    type: str
    required: true
  api_key:
    description: Sent as C(X-API-Key) where it is not empty.
    type: str
    default: ""
"""

    TLS = r"""
options:
  tls:
    description: How the entries' certificate is checked. Without it they are asked in plain HTTP.
    type: dict
    suboptions:
      name:
        description: Name or address that the certificate must be issued for, whatever address is asked.
        type: str
        required: true
      certificates:
        description: PEM text of certificates that are trusted besides the system's own.
        type: str
        default: ""
"""
