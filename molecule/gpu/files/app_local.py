"""Stands where Duix's own program stands in its image."""

import sys

from preview.__main__ import main

sys.exit(main(["duix", "--host", "0.0.0.0", "--port", "8383", "--data-dir", "/code/data"]))  # noqa: S104
