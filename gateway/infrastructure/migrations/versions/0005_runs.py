"""A code may be used again: which of its tasks this is, and what its inputs contained."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ADDED = (
    ("run", sa.Integer, "1"),
    ("claims_before", sa.Integer, "0"),
    ("audio_digest", sa.String(64), ""),
    ("video_digest", sa.String(64), ""),
)


def upgrade() -> None:
    for name, kind, default in _ADDED:
        op.add_column("tasks", sa.Column(name, kind, nullable=False, server_default=default))


def downgrade() -> None:
    for name, _, _ in reversed(_ADDED):
        op.drop_column("tasks", name)
