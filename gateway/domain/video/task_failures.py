"""Why a task failed: a stable code for programs, a sentence for people, and whether a second run can help."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.errors import Language, Reason

MAX_DETAIL_CHARS = 300


FAILURES = {
    "not_audio": Reason(
        "音频文件无法识别，请换一个 wav、mp3 或 m4a 文件。",
        "The audio file is not audio that can be read. Use a wav, mp3 or m4a file.",
    ),
    "not_video": Reason(
        "视频文件无法识别，请换一个 mp4 或 mov 文件。",
        "The video file is not a video that can be read. Use an mp4 or mov file.",
    ),
    "format_unknown": Reason(
        "上传的是 {detail} 文件，无法读取。音频请转换为 wav、mp3 或 m4a，视频请转换为 mp4 后重新上传。",
        "The format of an upload, {detail}, can't be read. Convert sound to wav, mp3 or m4a, video to mp4, and upload "
        "the result.",
    ),
    "file_incomplete": Reason(
        "上传的文件不完整（缺少索引）或有版权保护，请重新导出或录制后上传。",
        "An upload is incomplete (its index is missing) or copy-protected. Export or record it again.",
    ),
    "no_sound": Reason(
        "音频文件中没有声音，请检查后重新上传。", "The audio file has no sound. Check it and upload it again."
    ),
    "no_picture": Reason(
        "视频文件中没有画面，请检查音频与视频是否选反。",
        "The video file has no picture. Check whether audio and video were swapped.",
    ),
    "audio_too_long": Reason("音频过长，请缩短后再试。", "The audio is too long. Shorten it and try again."),
    "conversion_failed": Reason(
        "文件在转换时出错或超时，可能已损坏，请换一个文件。",
        "A file could not be converted in time; it may be damaged. Use another file.",
    ),
    "input_missing": Reason(
        "上传的音频或视频已不存在，请重新上传。", "The uploaded audio or video no longer exists. Upload it again."
    ),
    "disk_too_small": Reason(
        "服务器磁盘太小，放不下这个视频，请缩短音频或换一个更小的视频，或联系管理员扩大磁盘。",
        "The server's disk is too small for this video. Use shorter audio or a smaller clip, or ask the administrator "
        "for a larger disk.",
    ),
    "several_faces": Reason(
        "视频中有多张人脸，请换一个只有一个人的视频。", "The video shows several faces. Use one with a single person."
    ),
    "no_face": Reason(
        "视频中没有检测到人脸，请换一个正脸清晰的视频。",
        "No face was found in the video. Use one that shows a face clearly.",
    ),
    "engine_format": Reason(
        "视频引擎无法读取文件，请联系管理员检查数据目录是否挂载一致。",
        "The engine could not read its input. Ask the administrator to check that it sees the same media folder.",
    ),
    "engine_workers": Reason(
        "视频引擎的计算进程没有响应，请联系管理员重启引擎后再试。",
        "The engine's workers do not answer. Ask the administrator to restart the engine, then try again.",
    ),
    "engine_lost": Reason(
        "视频引擎在生成过程中多次中断，请稍后重新提交。",
        "The engine broke off several times while making the video. Submit it again later.",
    ),
    "engine_stalled": Reason(
        "视频引擎两次长时间没有进展，请联系管理员检查引擎后再试。",
        "The engine made no progress for too long, twice. Ask the administrator to check it, then try again.",
    ),
    "engine_unavailable": Reason(
        "视频引擎长时间不可用，任务未能开始，请联系管理员检查引擎后再试。",
        "No engine accepted the task for too long. Ask the administrator to check the engine, then try again.",
    ),
    "engine_refused": Reason("视频引擎拒绝了任务：{detail}", "The engine rejected the task: {detail}"),
    "engine_error": Reason("视频生成失败：{detail}", "Generating the video failed: {detail}"),
    "result_invalid": Reason(
        "生成的视频两次损坏或长度不对，请换一个视频后再试。",
        "The finished video was damaged or of the wrong length, twice. Try again with another video.",
    ),
    "expired": Reason("任务已过期，请重新提交。", "The task has expired. Submit it again."),
    "cancelled": Reason("任务已取消。", "The task was cancelled."),
}


def failure_sentence(code: str, detail: str, language: Language) -> str:
    """The sentence for a failure code; an unknown code reads as a plain engine error."""
    sentence = FAILURES.get(code, FAILURES["engine_error"])
    text = sentence.zh if language == "zh" else sentence.en
    return text.replace("{detail}", detail or "?")


@dataclass(frozen=True)
class TaskFailure:
    """Why one attempt failed.

    Attributes:
        code: key of ``FAILURES``.
        detail: the engine's own words, shortened.
        retry: whether a second attempt can end otherwise.
        wait: seconds before that second attempt.
        engine_unfit: the engine itself is at fault and can't be trusted with the next task yet.
        interrupted: the engine or the gateway was gone meanwhile; that is no attempt of the task's.
    """

    code: str
    detail: str = ""
    retry: bool = False
    wait: float = 0.0
    engine_unfit: bool = False
    interrupted: bool = False


WARM_UP_WAIT = 25.0  # the engine warms up for about 20 s; tasks before that fail with an empty reason


def classify_engine_message(message: str) -> TaskFailure:
    """Read the reason that the engine gives for a failed task."""
    text = " ".join(message.split())[:MAX_DETAIL_CHARS]
    for marks, failure in _KNOWN:
        if any(mark in text for mark in marks):
            return TaskFailure(failure.code, text, failure.retry, failure.wait, failure.engine_unfit)
    if not text:
        return TaskFailure("engine_workers", "", retry=True, wait=WARM_UP_WAIT)
    return TaskFailure("engine_error", text, retry=True)


_KNOWN: tuple[tuple[tuple[str, ...], TaskFailure], ...] = (
    (("存在多人脸",), TaskFailure("several_faces")),
    (("未检测到人脸", "没有人脸", "no face"), TaskFailure("no_face")),
    (("no final result", "队列满", "_queue.Empty"), TaskFailure("engine_workers", retry=True, engine_unfit=True)),
    (("format video error", "format audio error", "三次获取音频时长失败"), TaskFailure("engine_format", retry=True)),
)
