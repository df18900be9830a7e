"""Speech of an unlikely length says so; speech of before is above doubt."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("speech", sa.Column("doubt", sa.String(32), nullable=False, server_default=""))
    op.add_column("speech", sa.Column("attempts", sa.Integer, nullable=False, server_default="1"))


def downgrade() -> None:
    op.drop_column("speech", "attempts")
    op.drop_column("speech", "doubt")
