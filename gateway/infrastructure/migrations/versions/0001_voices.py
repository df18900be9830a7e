"""Voices and the speech made with them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "voices",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("device_id", sa.String(256), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("prompt_text", sa.Text, nullable=False, server_default=""),
        sa.Column("upload_name", sa.String(256), nullable=False, server_default=""),
        sa.Column("upload_sha256", sa.String(64), nullable=False),
        sa.Column("reference_sha256", sa.String(64), nullable=False, server_default=""),
        sa.Column("report", sa.Text, nullable=False, server_default=""),
        sa.Column("error_code", sa.String(64), nullable=False, server_default=""),
        sa.Column("error_zh", sa.Text, nullable=False, server_default=""),
        sa.Column("error_en", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("id", name="uq_voices_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_voices_device_id_seq", "voices", ["device_id", "seq"])
    op.create_table(
        "speech",
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("voice_id", sa.String(64), nullable=False),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("audio_format", sa.String(8), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("token", name="uq_speech_token"),
    )
    op.create_index("ix_speech_voice_id", "speech", ["voice_id"])
    op.create_index("ix_speech_used_at", "speech", ["used_at"])


def downgrade() -> None:
    op.drop_table("speech")
    op.drop_table("voices")
