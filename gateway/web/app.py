"""The two entries as ASGI applications."""

from gateway.web.video.app import create_video_app
from gateway.web.voice.app import create_voice_app

__all__ = ["create_video_app", "create_voice_app"]
