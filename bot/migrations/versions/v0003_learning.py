"""Votes on answers, and posts that had no good answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From the version that learned nothing from use."""
    op.create_table(
        "votes",
        sa.Column("answer_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("voter_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("guild_id", sa.BigInteger()),
        sa.Column("slug", sa.String(200), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("helpful", sa.Boolean(), nullable=False),
        sa.Column("remark", sa.Text()),
        sa.Column("voted_at", sa.Double(), nullable=False),
    )
    op.create_index("ix_votes_guild_id", "votes", ["guild_id"])
    op.create_index("ix_votes_voted_at", "votes", ["voted_at"])
    op.create_table(
        "gaps",
        sa.Column("source_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("asker_id", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("answer_id", sa.BigInteger()),
        sa.Column("noted_at", sa.Double(), nullable=False),
    )
    op.create_index("ix_gaps_guild", "gaps", ["guild_id", "noted_at"])
    op.create_index("ix_gaps_asker_id", "gaps", ["asker_id"])
    op.create_index("ix_gaps_answer_id", "gaps", ["answer_id"])
    op.create_index("ix_gaps_noted_at", "gaps", ["noted_at"])
