"""LiveKit's OpenAI plugin with its default model, voice and format."""

import asyncio
import json
import sys

from livekit.plugins import openai


async def main(address: str) -> None:
    tts = openai.TTS(base_url=f"{address}/v1", api_key="not-needed")
    frames = [event.frame async for event in tts.synthesize("Hello from LiveKit. Here is a second sentence.")]
    seconds = sum(frame.duration for frame in frames)
    loudest = max(max(abs(sample) for sample in frame.data) for frame in frames)
    await tts.aclose()
    print(json.dumps({"seconds": seconds, "loudest": loudest, "rate": frames[0].sample_rate}))


asyncio.run(main(sys.argv[1]))
