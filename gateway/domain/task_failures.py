"""Why a task failed: a stable code for programs, a sentence for people, and whether a second run can help."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.errors import Language

MAX_DETAIL_CHARS = 300


@dataclass(frozen=True)
class Sentence:
    """What is wrong and what to do."""

    zh: str
    en: str


FAILURES = {
    "not_audio": Sentence(
        "音频文件无法识别，请换一个 wav、mp3 或 m4a 文件。",
        "The audio file is not audio that can be read. Use a wav, mp3 or m4a file.",
    ),
    "not_video": Sentence(
        "视频文件无法识别，请换一个 mp4 或 mov 文件。",
        "The video file is not a video that can be read. Use an mp4 or mov file.",
    ),
    "no_sound": Sentence(
        "音频文件中没有声音，请检查后重新上传。", "The audio file holds no sound. Check it and upload it again."
    ),
    "no_picture": Sentence(
        "视频文件中没有画面，请检查音频与视频是否选反。",
        "The video file holds no picture. Check whether audio and video were swapped.",
    ),
    "audio_too_long": Sentence("音频过长，请缩短后再试。", "The audio is too long. Shorten it and try again."),
    "conversion_failed": Sentence(
        "文件在转换时出错或超时，可能已损坏，请换一个文件。",
        "A file could not be converted in time; it may be damaged. Use another file.",
    ),
    "input_missing": Sentence(
        "上传的音频或视频已不存在，请重新上传。", "The uploaded audio or video is gone. Upload it again."
    ),
    "disk_too_small": Sentence(
        "服务器磁盘太小，放不下这个视频，请缩短音频或换一个更小的视频，或联系管理员扩大磁盘。",
        "The server's disk is too small for this video. Use shorter audio or a smaller clip, or ask the administrator "
        "for a larger disk.",
    ),
    "several_faces": Sentence(
        "视频中有多张人脸，请换一个只有一个人的视频。", "The video shows several faces. Use one with a single person."
    ),
    "no_face": Sentence(
        "视频中没有检测到人脸，请换一个正脸清晰的视频。",
        "No face was found in the video. Use one that shows a face clearly.",
    ),
    "engine_format": Sentence(
        "视频引擎无法读取文件，请联系管理员检查数据目录是否挂载一致。",
        "The engine could not read its input. Ask the administrator to check that it sees the same media folder.",
    ),
    "engine_workers": Sentence(
        "视频引擎的计算进程没有响应，请联系管理员重启引擎后再试。",
        "The engine's workers do not answer. Ask the administrator to restart the engine, then try again.",
    ),
    "engine_lost": Sentence(
        "视频引擎在生成过程中两次中断，请稍后重新提交。",
        "The engine broke off twice while making the video. Submit it again later.",
    ),
    "engine_stalled": Sentence(
        "视频引擎两次长时间没有进展，请联系管理员检查引擎后再试。",
        "The engine made no progress for too long, twice. Ask the administrator to look at it, then try again.",
    ),
    "engine_unavailable": Sentence(
        "视频引擎长时间不可用，任务未能开始，请联系管理员检查引擎后再试。",
        "No engine could take the task for too long. Ask the administrator to look at the engine, then try again.",
    ),
    "engine_refused": Sentence("视频引擎拒绝了任务：{detail}", "The engine refused the task: {detail}"),
    "engine_error": Sentence("视频生成失败：{detail}", "Making the video failed: {detail}"),
    "result_invalid": Sentence(
        "生成的视频两次损坏或长度不对，请换一个视频后再试。",
        "The finished video was damaged or of the wrong length, twice. Try again with another video.",
    ),
    "expired": Sentence("任务已过期，请重新提交。", "The task has expired. Submit it again."),
    "cancelled": Sentence("任务已取消。", "The task was cancelled."),
}


def failure_sentence(code: str, detail: str, language: Language) -> str:
    """The sentence for a failure code; an unknown code is told as a plain engine error."""
    sentence = FAILURES.get(code, FAILURES["engine_error"])
    text = sentence.zh if language == "zh" else sentence.en
    return text.replace("{detail}", detail or "?")


@dataclass(frozen=True)
class Failure:
    """Why one attempt failed.

    Attributes:
        code: key of ``FAILURES``.
        detail: the engine's own words, shortened.
        retry: whether a second attempt can end otherwise.
        wait: seconds before that second attempt.
        engine_unfit: the engine itself is at fault and can't be trusted with the next task yet.
    """

    code: str
    detail: str = ""
    retry: bool = False
    wait: float = 0.0
    engine_unfit: bool = False


WARM_UP_WAIT = 25.0  # the engine warms up for about 20 s; tasks before that fail with an empty reason


def classify_engine_message(message: str) -> Failure:
    """Read the reason that the engine gives for a failed task."""
    text = " ".join(message.split())[:MAX_DETAIL_CHARS]
    for marks, failure in _KNOWN:
        if any(mark in text for mark in marks):
            return Failure(failure.code, text, failure.retry, failure.wait, failure.engine_unfit)
    if not text:
        return Failure("engine_workers", "", retry=True, wait=WARM_UP_WAIT)
    return Failure("engine_error", text, retry=True)


_KNOWN: tuple[tuple[tuple[str, ...], Failure], ...] = (
    (("存在多人脸",), Failure("several_faces")),
    (("未检测到人脸", "没有人脸", "no face"), Failure("no_face")),
    (("no final result", "队列满", "_queue.Empty"), Failure("engine_workers", retry=True, engine_unfit=True)),
    (("format video error", "format audio error", "三次获取音频时长失败"), Failure("engine_format", retry=True)),
)
