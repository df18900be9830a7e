"""How good a voice's reference is; empty for voices of before, and ignored by the version before."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("voices", sa.Column("quality", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("voices", "quality")
