"""Codes of failed loads."""

from __future__ import annotations

import pickle
import zipfile

import pytest

from cosyvoice_server.loader import LoadFailed


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (ModuleNotFoundError("No module named 'matcha'"), "package_incomplete", 10),
        (AttributeError("'Loader' object has no attribute 'max_depth'"), "package_incomplete", 10),
        (TypeError("No valid model type found!"), "model_incomplete", 12),
        (RuntimeError("PytorchStreamReader failed reading zip archive"), "model_incomplete", 12),
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), "gpu_not_usable", 13),
        (RuntimeError("Found no NVIDIA driver on your system"), "gpu_not_usable", 13),
        (OSError("what else"), "load_failed", 14),
        (AttributeError("'NoneType' object has no attribute 'create_execution_context'"), "load_failed", 14),
        (OSError(28, "No space left on device", "/root/.cache/llm.pt"), "load_failed", 14),
    ],
)
def test_failed_loads_have_a_code(error: Exception, code: str, exit_code: int) -> None:
    assert LoadFailed("loading", error).classify() == (code, exit_code)


# As onnxruntime and safetensors name them.
InvalidProtobuf = type("InvalidProtobuf", (Exception,), {})
SafetensorError = type("SafetensorError", (Exception,), {})


DAMAGED = (
    InvalidProtobuf("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from a/campplus.onnx failed:Protobuf"),
    InvalidProtobuf("[ONNXRuntimeError] : 3 : NO_SUCHFILE : Load model from a/b.onnx failed"),
    SafetensorError("Error while deserializing header: HeaderTooLarge"),
    SafetensorError("Error while deserializing header: InvalidHeaderDeserialization"),
    SafetensorError("Error while deserializing header: MetadataIncompleteBuffer"),
    EOFError("Ran out of input"),
    EOFError(),
    pickle.UnpicklingError("invalid load key, '<'."),
    pickle.UnpicklingError("pickle data was truncated"),
    zipfile.BadZipFile("File is not a zip file"),
    FileNotFoundError(2, "No such file or directory", "/root/.cache/modelscope/hub/iic/CosyVoice2-0___5B/llm.pt"),
    FileNotFoundError(2, "No such file or directory", "pretrained_models/CosyVoice-300M/flow.pt"),
    RuntimeError("unexpected EOF, expected 1048576 more bytes. The file might be corrupted."),
    RuntimeError("Error(s) in loading state_dict for TransformerLM:\n\tsize mismatch for llm.weight: copying a param"),
    RuntimeError("[enforce fail at inline_container.cc:197] . file not found: archive/data.pkl is corrupted"),
    OSError("Error no file named pytorch_model.bin, model.safetensors found in directory a/CosyVoice-BlankEN."),
)


@pytest.mark.parametrize("error", DAMAGED, ids=repr)
def test_a_damaged_model_is_fetched_again(error: Exception) -> None:
    """Only this code makes the next start ask ModelScope for the files again."""
    assert LoadFailed("loading", error).classify() == ("model_incomplete", 12)
