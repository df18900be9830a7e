"""Whether a submit repeats a request or is another one under a used code: by content, not by name."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.domain.access import NOBODY, Caller
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.video.ports import MediaStore
from gateway.domain.video.task import NewTask, Task, TaskState, same_options
from gateway.services.video.library import MediaLibrary


def code_in_use() -> GatewayError:
    """Somebody else's task has that code."""
    return GatewayError(
        "code_in_use",
        ErrorKind.CONFLICT,
        zh="任务编号 code 已被占用，请换一个（建议使用 UUID）。",
        en="The task code is in use. Choose another one, best a UUID.",
    )


def code_reused() -> GatewayError:
    """The caller's own task of that code has not ended, and was made from another request."""
    return GatewayError(
        "code_reused",
        ErrorKind.CONFLICT,
        zh="任务编号 code 对应的任务尚未结束，且其文件或参数与本次请求不同。请换一个 code，或等该任务结束后再提交。",
        en="The task of this code has not ended, and its files or fields are not those of this request. "
        "Use another code, or submit again once that task has ended.",
    )


async def input_digests(media: MediaStore, task: Task) -> dict[str, str]:
    """What tells a repeat of the task's request from another one once its inputs are gone, as changes of the task."""
    if task.audio_digest:
        return {}
    inputs = media.inputs_of(task.inputs_key)
    audio = await asyncio.to_thread(media.digest, inputs.uploaded_audio)
    video = await asyncio.to_thread(media.digest, inputs.uploaded_video)
    return {"audio_digest": audio, "video_digest": video}


class Repeats:
    """Compares requests.

    Args:
        media: where the inputs are.
        library: finds what a request names.
    """

    def __init__(self, media: MediaStore, library: MediaLibrary) -> None:
        self._media = media
        self._library = library

    async def is_repeat(self, task: Task, new: NewTask, caller: Caller) -> bool:
        """Whether a request is the one that the task was made from.

        Files count by their content. Where an upload is gone, its name has to do: the client may repeat a request
        whose answer it has lost at any time.

        Raises:
            GatewayError: ``code_in_use`` (409), where the task is not the caller's.
        """
        if not caller.may_see(task.owner):
            raise code_in_use()
        if not same_options(task.options, new.options):
            return False
        return await asyncio.to_thread(self._same_inputs, task, new, caller)

    def require_replaceable(self, task: Task, caller: Caller) -> None:
        """Whether another request may have the code of this task.

        Raises:
            GatewayError: ``code_in_use`` or ``code_reused`` (409).
        """
        if task.owner not in (caller.owner, NOBODY):
            raise code_in_use()
        # An engine may still work on a cancelled task.
        if task.is_live or (task.state is TaskState.CANCELLED and task.engine):
            raise code_reused()

    def _same_inputs(self, task: Task, new: NewTask, caller: Caller) -> bool:
        if task.state is TaskState.DONE and self._media.result_of(task) is None:
            return False  # its video has expired: the request is carried out again
        held = self._media.inputs_of(task.inputs_key)
        return self._same(
            task,
            held.uploaded_audio,
            task.audio_digest,
            upload=self._library.find_upload(new.audio_url, caller),
            same_name=new.audio_url == task.audio_url,
        ) and self._same(
            task,
            held.uploaded_video,
            task.video_digest,
            upload=self._library.find_upload(new.video_url, caller),
            same_name=new.video_url == task.video_url,
        )

    def _same(self, task: Task, held: Path, digest: str, *, upload: Path | None, same_name: bool) -> bool:
        """Whether one input is the same.

        Args:
            task: the earlier request.
            held: the task's own copy, which exists until it ends.
            digest: of its content, if known.
            upload: that the new request names, if it is there.
            same_name: both requests name it alike.
        """
        if upload is None:
            return same_name
        if self._media.is_same_file(held, upload):
            return True
        digest = digest or self._media.digest(held)
        if not digest:
            # A finished task of an older version; of any other the input was not there, and now it is.
            return same_name and task.state is TaskState.DONE
        return self._media.digest(upload) == digest
