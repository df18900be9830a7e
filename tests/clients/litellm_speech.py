"""LiteLLM's speech call, whole and asynchronous."""

import asyncio
import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it looks for prices on the internet first

import litellm


async def main(address: str) -> None:
    common = {"model": "openai/tts-1", "voice": "alloy", "api_base": f"{address}/v1", "api_key": "not-needed"}
    whole = litellm.speech(input="Hello from LiteLLM.", **common)
    later = await litellm.aspeech(input="Hello again from LiteLLM.", response_format="wav", **common)
    print(json.dumps({"mp3": len(whole.content), "wav": later.content[:4].decode("latin-1")}))


asyncio.run(main(sys.argv[1]))
