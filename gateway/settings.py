"""Settings of both entries, read from ``TWINPORT_`` environment variables and nowhere else."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    PlainSerializer,
    SecretStr,
    TypeAdapter,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 2**20
GIB = 2**30


class EngineMode(StrEnum):
    """The engines behind the entry: stand-ins or real ones on a GPU."""

    PREVIEW = "preview"
    GPU = "gpu"


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), PlainSerializer(",".join)]


def _http_urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    if not urls:
        raise ValueError("at least one address is needed")
    return tuple(str(TypeAdapter(HttpUrl).validate_python(url)).rstrip("/") for url in urls)


EngineUrls = Annotated[CommaSeparated, AfterValidator(_http_urls)]


class CommonSettings(BaseSettings):
    """What both entries share."""

    model_config = SettingsConfigDict(env_prefix="TWINPORT_", frozen=True, extra="ignore")

    host: str = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104 - the container's own network
    port: int = Field(description="Port to listen on; 0 picks a free one.", ge=0, le=65535)
    data_dir: Path = Field(description="Folder of the entry's own state: database, uploads, results.")
    database_url: SecretStr = Field(
        SecretStr(""),
        description="SQLAlchemy URL with an async driver, such as postgresql+asyncpg://…; empty: SQLite in DATA_DIR.",
    )
    api_key: Annotated[SecretStr, Field(description="API keys, comma separated; empty: see API_KEYS_FILE.")] = (
        SecretStr("")
    )
    api_keys_file: Path | None = Field(
        None,
        description="File of API keys, one a line, behind # a name for /metrics; read anew whenever it changes. "
        "No key here nor in API_KEY at the start: the entry is open.",
    )
    admin_api_key: SecretStr = Field(
        SecretStr(""),
        description="Administrators' keys, comma separated: they open the admin view and see everybody's tasks and "
        "media. Empty: where there is one API key, its holder is the administrator; of several, nobody is.",
    )
    min_upload_rate: int = Field(
        256, description="Bytes a second that a client must send on average over a minute of a body; 0: any.", ge=0
    )
    admin_api_keys_file: Path | None = Field(
        None, description="File of administrators' keys, like API_KEYS_FILE; they count beside those of ADMIN_API_KEY."
    )
    key_requests_per_day: int = Field(
        0, description="Requests that cost work, per API key and day (UTC), then 429; 0: unlimited.", ge=0
    )
    engine_mode: EngineMode = Field(EngineMode.GPU, description="Shown wherever the entry reports its state.")
    doctor_report: Path | None = Field(
        Path("/run/twinport/doctor/report.json"), description="The engine doctor's report, shown in /health."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object per line, or text for people.")
    cors_origins: CommaSeparated = Field(
        (), description="Origins whose web pages may call as well, comma separated; * for all; empty: none."
    )
    allowed_hosts: CommaSeparated = Field(
        (),
        description="Names under which clients reach the entry, besides addresses and localhost, comma separated; "
        "* for all. Any other name gets 421.",
    )
    rate_limit_per_minute: int = Field(
        120, description="Requests that cost work, per device and minute; 0: unlimited.", ge=0
    )
    trusted_proxies: CommaSeparated = Field(
        (), description="Addresses of reverse proxies whose X-Forwarded-For is believed, comma separated."
    )
    max_header_bytes: int = Field(32 * 1024, description="Most bytes of request headers and address.", ge=1024)
    min_free_bytes: int = Field(256 * MIB, description="Free bytes that the disk keeps; below: 507.", ge=0)
    resumable_max_age: int = Field(
        86400, description="Seconds that an unfinished resumable upload is kept after its last byte.", ge=60
    )
    max_connections: int = Field(1000, description="Most requests at once; further ones get 503.", ge=1)
    shutdown_timeout: int = Field(30, description="Seconds that running requests get to finish on stop.", ge=0)

    @property
    def resolved_database_url(self) -> str:
        """The effective URL: the given one, else SQLite in the data folder."""
        given = self.database_url.get_secret_value()
        return given or f"sqlite+aiosqlite:///{self.data_dir / 'gateway.sqlite3'}"

    @field_validator("doctor_report", "api_keys_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("api_keys_file", mode="after")
    @classmethod
    def _can_be_read(cls, value: Path | None) -> Path | None:
        """A configured file that is missing would leave the entry open to everybody."""
        if value is not None:
            try:
                value.read_bytes()
            except OSError as error:
                raise ValueError(
                    f"{value} can't be read ({error.strerror}); create it with one key per line, or leave this unset"
                ) from error
        return value


class VoiceSettings(CommonSettings):
    """The voice entry."""

    port: int = Field(9090, description="Port to listen on; 0 picks a free one.", ge=0, le=65535)
    data_dir: Path = Field(
        Path("/var/lib/twinport/voice_data"), description="Folder of the entry's own state: database, voices, speech."
    )
    cosyvoice_url: HttpUrl = Field(HttpUrl("http://cosyvoice-engine:50000"), description="The CosyVoice engine.")

    reference_sample_rate: Literal[16000, 22050, 24000, 44100, 48000] = Field(
        16000, description="Hz of the normalised reference audio; newer models take 24000."
    )
    reference_max_seconds: float = Field(30.0, description="Longest reference the engine takes, in seconds.", gt=3)
    reference_min_speech_seconds: float = Field(3.0, description="Least speech in a reference, in seconds.", gt=0)
    reference_decode_seconds: float = Field(
        300.0, description="Seconds of an upload that are used; the rest is ignored.", gt=0
    )
    max_upload_bytes: int = Field(512 * MIB, description="Largest reference upload.", ge=1024)
    max_archive_bytes: int = Field(640 * MIB, description="Largest voice archive to import.", ge=1024)
    decode_timeout: float = Field(60.0, description="Seconds of wall clock that one decode may take.", gt=0)
    decode_memory_bytes: int = Field(1 * GIB, description="Address space of one decoder process.", ge=256 * MIB)
    decode_workers: int = Field(0, description="Decodes at once; 0: one per CPU core.", ge=0)

    max_text_chars: int = Field(2000, description="Longest text of one synthesis, in characters.", ge=1)
    max_openai_text_chars: int = Field(
        10_000, description="The same on OpenAI's routes, where clients send 4,096 and more; at least the above.", ge=1
    )
    text_streams_per_address: int = Field(
        16, description="WebSockets of one address that text is streamed into at once; beyond: 429.", ge=1
    )
    text_stream_idle_timeout: float = Field(
        60.0, description="Seconds without a message or speech until such a WebSocket is closed.", gt=0
    )
    max_voices_per_device: int = Field(200, description="Voices that one device may keep.", ge=1)
    engine_concurrency: int = Field(1, description="Synthesis requests that the engine gets at once.", ge=1)
    queue_size: int = Field(
        64, description="Requests that may wait for the engine; beyond, the device with the most gets 503.", ge=0
    )
    queue_timeout: float = Field(600.0, description="Seconds a request may wait for the engine before 503.", gt=0)
    tts_answer_timeout: float = Field(
        110.0,
        description="Seconds until /v1/tts answers 503 and works on; the same request, sent again, finds the work. "
        "Clients in the field give up after 120.",
        gt=0,
    )
    engine_first_byte_timeout: float = Field(
        300.0, description="Seconds the engine may take to its first audio of a request.", gt=0
    )
    engine_idle_timeout: float = Field(120.0, description="Seconds between two pieces of an audio stream.", gt=0)
    engine_poll_interval: float = Field(2.0, description="Seconds between two checks of the engine's health.", gt=0)
    key_speech_seconds_per_day: float = Field(
        0.0, description="Seconds of new speech per API key and day (UTC), then 429; 0: unlimited.", ge=0
    )
    synthesis_max_seconds: float = Field(3600.0, description="Longest audio of one synthesis, in seconds.", gt=0)

    speech_length_check: bool = Field(
        True, description="Whether speech that is far too short or too long for its text is made once more."
    )

    files_max_age: int = Field(7 * 86400, description="Seconds that synthesised files are kept after last use.", ge=60)
    files_max_bytes: int = Field(10 * GIB, description="Total size of synthesised files; the oldest go first.", ge=MIB)
    retention_interval: float = Field(300.0, description="Seconds between two clean-ups.", gt=0)

    @property
    def longest_openai_text(self) -> int:
        """Most characters of a text on OpenAI's routes."""
        return max(self.max_text_chars, self.max_openai_text_chars)


class VideoSettings(CommonSettings):
    """The video entry."""

    port: int = Field(8383, description="Port to listen on; 0 picks a free one.", ge=0, le=65535)
    data_dir: Path = Field(
        Path("/var/lib/twinport/video_data"), description="Folder of the entry's own state: database."
    )
    duix_url: EngineUrls = Field(
        ("http://duix-avatar-gen-video:8383",),
        description="The Duix engines, comma separated, one per GPU; all see MEDIA_DIR as /code/data.",
    )
    media_dir: Path = Field(
        Path("/var/lib/twinport/duix_data"), description="The folder that the engine sees as /code/data."
    )
    max_upload_bytes: int = Field(4 * GIB, description="Largest upload.", ge=1024)
    queue_size: int = Field(
        1000,
        description="Tasks that may wait; more get 503. The last tenth is for clients with few.",
        ge=1,
    )
    key_video_seconds_per_day: float = Field(
        0.0,
        description="Seconds of finished video per API key and day (UTC), then new tasks get 429; 0: unlimited.",
        ge=0,
    )
    audio_max_seconds: float = Field(3600.0, description="Longest audio of one video, in seconds.", gt=0)
    conversion_timeout: float = Field(900.0, description="Seconds that one conversion of an input may take.", gt=0)
    face_check: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether clips without a face or with several fail before an engine gets them; "
        "auto: for gpu, not for preview, whose test pictures have none.",
    )
    conversion_workers: int = Field(0, description="ffmpeg processes at once; 0: one per CPU core.", ge=0)

    engine_poll_interval: float = Field(1.0, description="Seconds between two checks of an engine.", gt=0)
    engine_warm_up: float = Field(
        -1.0,
        description="Seconds from an engine's start until it is given work; -1: 25 for gpu, 0 for preview.",
    )
    engine_lost_timeout: float = Field(
        300.0,
        description="Seconds an engine may be silent in the middle of a task before the task is tried again.",
        gt=0,
    )
    engine_patience: float = Field(
        900.0, description="Seconds a task waits while no engine is in service; then it fails.", gt=0
    )
    engine_busy_patience: float = Field(
        4 * 3600.0,
        description="Seconds that an engine may work on what was not submitted here and still count as in service.",
        gt=0,
    )
    stall_timeout: float = Field(900.0, description="Seconds without progress before a task is given up.", gt=0)
    stall_seconds_per_second: float = Field(
        20.0, description="Added to the above for each second of audio: progress is coarse.", ge=0
    )
    length_tolerance: float = Field(
        1.0, description="Seconds by which a video may differ in length from its audio (or 5 %, if more).", gt=0
    )
    forward_timeout: float = Field(
        30.0, description="Seconds the engine gets to answer a call that is passed on.", gt=0
    )

    results_max_age: int = Field(
        7 * 86400, description="Seconds that finished videos and the engines' files in temp are kept.", ge=60
    )
    results_max_bytes: int = Field(100 * GIB, description="Total size of finished videos; the oldest go first.", ge=MIB)
    uploads_max_age: int = Field(7 * 86400, description="Seconds that uploads are kept after their last use.", ge=60)
    uploads_max_bytes: int = Field(100 * GIB, description="Total size of uploads; the oldest go first.", ge=MIB)
    temp_max_bytes: int = Field(
        100 * GIB, description="Total size of the engines' files in temp; the oldest are deleted first.", ge=MIB
    )
    tasks_max_age: int = Field(30 * 86400, description="Seconds that ended tasks are remembered.", ge=60)
    retention_interval: float = Field(300.0, description="Seconds between two clean-ups.", gt=0)

    @property
    def looks_for_faces(self) -> bool:
        """Whether clips are checked for faces."""
        return self.face_check == "on" or (self.face_check == "auto" and self.engine_mode is EngineMode.GPU)

    @property
    def warm_up_seconds(self) -> float:
        """Seconds until a started engine gets work."""
        if self.engine_warm_up >= 0:
            return self.engine_warm_up
        return 25.0 if self.engine_mode is EngineMode.GPU else 0.0
