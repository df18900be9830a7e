"""Packs a package folder as the wheel `matcha_tts-0.0.7.2`: `make_wheel.py PACKAGE TARGET_FOLDER`."""

import sys
import zipfile
from pathlib import Path

package, target = Path(sys.argv[1]), Path(sys.argv[2])
target.mkdir(parents=True)
info = "matcha_tts-0.0.7.2.dist-info"
with zipfile.ZipFile(target / "matcha_tts-0.0.7.2-py3-none-any.whl", "w") as wheel:
    for path in sorted(package.rglob("*.py")):
        wheel.write(path, f"matcha/{path.relative_to(package)}")
    wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: matcha-tts\nVersion: 0.0.7.2\n")
    wheel.writestr(
        f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: scenario\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    wheel.writestr(f"{info}/RECORD", "")
