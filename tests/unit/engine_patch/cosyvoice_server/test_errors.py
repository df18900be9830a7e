"""The model's exceptions as answers."""

from __future__ import annotations

import pytest

from cosyvoice_server.errors import cuda_is_dead, explain_failure


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (AssertionError("do not support extract speech token for audio longer than 30s"), 422, "prompt_too_long"),
        (AssertionError("wav sample rate 8000 must be greater than 16000"), 422, "prompt_rate_too_low"),
        (AssertionError("choose a window size 400 that is [2, 320]"), 422, "prompt_too_short"),
        (RuntimeError("Error opening '/tmp/x.wav': Format not recognised."), 422, "prompt_not_audio"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), 503, "out_of_memory"),
        (NotImplementedError("inference_instruct is not implemented for CosyVoice2!"), 422, "mode_not_supported"),
        (RuntimeError("CUDA error: device-side assert triggered\nCompile with `TORCH_USE_CUDA_DSA`"), 500, "cuda_dead"),
        (ValueError("something else\nentirely"), 500, "engine_error"),
    ],
)
def test_exceptions_of_the_model_have_a_status_and_a_code(error: Exception, status: int, code: str) -> None:
    answer = explain_failure(error)
    assert (answer.status, answer.code) == (status, code)


DEAD = (
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: unspecified launch failure",
    "CUDA error: misaligned address",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: the launch timed out and was terminated",
    "CUDA error: unknown error",
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=engine",
    "Non-zero status code returned while running Conv node. Status Message: CUDA error cudaErrorLaunchFailure:x",
    "Triton Error [CUDA]: device-side assert triggered",
)


@pytest.mark.parametrize("text", DEAD)
def test_a_lost_gpu_is_known_by_the_text_of_an_exception_or_of_its_cause(text: str) -> None:
    hidden = ValueError("the vocoder failed")
    hidden.__cause__ = RuntimeError(text)
    assert cuda_is_dead(RuntimeError(text))
    assert cuda_is_dead(hidden)


@pytest.mark.parametrize(
    "text", ["CUDA out of memory. Tried to allocate 2 GiB", "no kernel image", "CUDA error: out of memory"]
)
def test_other_trouble_with_cuda_leaves_the_process_alone(text: str) -> None:
    assert not cuda_is_dead(RuntimeError(text))
