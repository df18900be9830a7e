"""Whose tasks and media are, and what each key has used. What was there before is nobody's: administrators see it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("key_id", sa.String(32), nullable=False, server_default=""))
    op.add_column("tasks", sa.Column("device_id", sa.String(256), nullable=False, server_default=""))
    op.create_index("ix_tasks_key_id", "tasks", ["key_id"])
    op.create_table(
        "media_owners",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("device_id", sa.String(256), nullable=False),
    )
    op.create_table(
        "usage",
        sa.Column("entry", sa.String(8), primary_key=True),
        sa.Column("key_id", sa.String(32), primary_key=True),
        sa.Column("work", sa.String(16), primary_key=True),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("amount", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("usage")
    op.drop_table("media_owners")
    op.drop_index("ix_tasks_key_id", "tasks")
    op.drop_column("tasks", "device_id")
    op.drop_column("tasks", "key_id")
