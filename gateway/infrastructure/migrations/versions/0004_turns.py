"""Sources take turns. Tasks of before have no source and one turn: they come first, in the order of submission."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("source", sa.String(32), nullable=False, server_default=""))
    op.add_column("tasks", sa.Column("turn", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("tasks", "turn")
    op.drop_column("tasks", "source")
