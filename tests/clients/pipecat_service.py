"""pipecat's OpenAI service in a pipeline, with its default model and voice."""

import asyncio
import json
import sys

from pipecat.frames.frames import EndWorkerFrame, ErrorFrame, Frame, TTSAudioRawFrame, TTSSpeakFrame, TTSStoppedFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.tests.utils import run_test


class Ear(FrameProcessor):
    """Ends the pipeline once everything has been heard."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, TTSStoppedFrame):
            await self.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)


async def main(address: str) -> None:
    service = OpenAITTSService(base_url=f"{address}/v1", api_key="not-needed")
    down, up = await run_test(
        Pipeline([service, Ear()]),
        frames_to_send=[TTSSpeakFrame("Hello from pipecat.")],
        send_end_frame=False,
        start_timeout=30.0,
    )
    sound = [frame for frame in down if isinstance(frame, TTSAudioRawFrame)]
    errors = [str(frame.error) for frame in (*down, *up) if isinstance(frame, ErrorFrame)]
    bytes_heard = sum(len(frame.audio) for frame in sound)
    rate = sound[0].sample_rate if sound else 0
    print(json.dumps({"seconds": bytes_heard / 2 / (rate or 1), "rate": rate, "errors": errors}))


asyncio.run(main(sys.argv[1]))
