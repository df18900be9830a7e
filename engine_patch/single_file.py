"""Packs `server.py` and the package behind it into one file that `python3` runs: a zip archive.

`python3 engine_patch/single_file.py TARGET`. The same sources give the same bytes.
"""

import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def write(target: Path) -> None:
    """Write the archive to `target`; its folder is created. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for path in (HERE / "server.py", *sorted((HERE / "cosyvoice_server").glob("*.py"))):
            name = "__main__.py" if path.name == "server.py" else path.relative_to(HERE).as_posix()
            # Stored with a fixed date and mode; compressed, the bytes would depend on zlib's version.
            member = zipfile.ZipInfo(name)
            member.create_system, member.external_attr = 3, 0o100644 << 16
            archive.writestr(member, path.read_bytes())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
