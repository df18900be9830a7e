"""WAV headers as the gateway reads them: of its decoder, of its own files, and the rate that an engine names."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gateway.domain.errors import GatewayError
from gateway.domain.voice.wav import HEADER_BYTES, rate_in, wav_header
from gateway.infrastructure.voice.cosyvoice_audio import _sample_rate
from gateway.infrastructure.voice.normaliser import _read_float_wav

FILE = Path(tempfile.mkdtemp(prefix="fuzz-wav-")) / "decoded"


def one_input(data: bytes) -> None:
    """Read any bytes as a decoder's file, as one of our headers, and as an engine's headers."""
    FILE.write_bytes(data)
    samples = _read_float_wav(FILE)
    assert samples.ndim == 2
    assert samples.nbytes <= len(data)
    rate = rate_in(data[:HEADER_BYTES])
    assert rate_in(wav_header(sample_rate=rate, data_bytes=None)) == rate if rate < 1 << 31 else True
    named, _, media_type = data.decode("latin-1").partition("\n")
    try:
        assert _sample_rate({"X-Sample-Rate": named, "Content-Type": media_type}) > 0
    except GatewayError:
        return
