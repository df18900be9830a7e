"""The administrator's view: the voices of all devices."""

from __future__ import annotations

from gateway.web.language import preferred_language
from gateway.web.routing import operation
from gateway.web.voice.models import AdminPageQuery, DeletedAnswer, VoicesAnswer, view_voice
from gateway.web.voice.state import VoiceRequest
from gateway.web.voice.voices import FULL, remove_voice


@operation("GET", "/v1/admin/voices", summary="List all voices", tag="admin", admin=True)
async def list_all_voices(request: VoiceRequest, query: AdminPageQuery) -> VoicesAnswer:
    """The voices of all devices, newest first, each with its device."""
    voices, total = await request.state["voices"].page(
        device_id=query.device_id, limit=query.limit, offset=query.offset
    )
    language = preferred_language(request.headers)
    return VoicesAnswer(data=[view_voice(voice, language, admin=True) for voice in voices], total=total)


@operation(
    "DELETE",
    "/v1/admin/voices/{voice_id}",
    summary="Delete any voice",
    tag="admin",
    errors={404: "There is no such voice.", 507: FULL},
    admin=True,
)
async def delete_any_voice(request: VoiceRequest, voice_id: str) -> DeletedAnswer:
    """Deletes a voice of any device, with its files."""
    return await remove_voice(request, voice_id, device_id=None)


admin_routes = [list_all_voices, delete_any_voice]
