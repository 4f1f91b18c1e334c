"""Which message answers which post, and notes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From nothing to the tables of the first version, which wrote no number of its own."""
    op.create_table(
        "answers",
        sa.Column("answer_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("asker_id", sa.BigInteger(), nullable=False),
        sa.Column("post_id", sa.BigInteger()),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("slug", sa.String(200)),
        sa.Column("text", sa.Text()),
        sa.Column("asked_at", sa.Double(), nullable=False),
    )
    op.create_index("ix_answers_post_id", "answers", ["post_id"])
    op.create_index("ix_answers_asked_at", "answers", ["asked_at"])
    op.create_table(
        "notes",
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
