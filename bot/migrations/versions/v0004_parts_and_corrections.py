"""Which messages an answer answers together, and what their pictures really say."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From the version that knew one of several messages, and forgot a correction."""
    for column in (
        sa.Column("parts", sa.Text()),
        sa.Column("corrected", sa.Text()),
        sa.Column("misread", sa.String(64)),
    ):
        op.add_column("answers", column)
