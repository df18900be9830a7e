"""Where a downloaded model lies."""

from dataclasses import replace

import pytest

from doctor.containers import Container
from doctor.model_cache import model_folders


@pytest.mark.parametrize(
    ("command", "environment", "folder"),
    [
        (("--model_dir", "iic/CosyVoice-300M"), {}, "/root/.cache/modelscope/hub/iic/CosyVoice-300M"),
        (("--model_dir=iic/CosyVoice2-0.5B",), {}, "/root/.cache/modelscope/hub/iic/CosyVoice2-0___5B"),
        ((), {"COSYVOICE_MODEL": "iic/X", "MODELSCOPE_CACHE": "/cache/"}, "/cache/hub/iic/X"),
        (("--model_dir", "/models/mine"), {}, None),
        (("--model_dir", "../../etc"), {}, None),
        (("--model_dir", "iic/.."), {}, None),
        ((), {}, None),
    ],
)
def test_only_a_downloaded_model_has_a_cache_folder(
    container: Container, command: tuple[str, ...], environment: dict[str, str], folder: str | None
) -> None:
    folders = model_folders(replace(container, command=command, environment=environment))
    assert (folders[0] if folders else None) == folder
