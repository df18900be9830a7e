"""The administrator's view: the voices of all devices."""

from __future__ import annotations

from starlette.responses import Response

from gateway.web.language import preferred_language
from gateway.web.openapi import operation
from gateway.web.params import parse_query
from gateway.web.routing import Route
from gateway.web.voice.models import AdminPageQuery, DeletedAnswer, VoicesAnswer, view_voice
from gateway.web.voice.state import VoiceRequest
from gateway.web.voice.voices import FULL, remove_voice

NO_ADMIN = "The entry has no API key set, so it has no administrator."


@operation(
    summary="List all voices",
    tag="admin",
    query=AdminPageQuery,
    answer=VoicesAnswer,
    errors={400: "A parameter is not valid.", 403: NO_ADMIN},
)
async def list_all(request: VoiceRequest) -> Response:
    """The voices of all devices, newest first, each with its device."""
    query = parse_query(request, AdminPageQuery)
    voices, total = await request.state["voices"].page(
        device_id=query.device_id, limit=query.limit, offset=query.offset
    )
    language = preferred_language(request.headers)
    answer = VoicesAnswer(data=[view_voice(voice, language, admin=True) for voice in voices], total=total)
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


@operation(
    summary="Delete any voice",
    tag="admin",
    answer=DeletedAnswer,
    errors={403: NO_ADMIN, 404: "There is no such voice.", 507: FULL},
)
async def delete_any(request: VoiceRequest) -> Response:
    """Deletes a voice of any device, with its files."""
    return await remove_voice(request, request.path_params["voice_id"], device_id=None)


admin_routes = [
    Route("/v1/admin/voices", list_all),
    Route("/v1/admin/voices/{voice_id}", delete_any, methods=["DELETE"]),
]
