"""Posts that are being answered, how far channels were read, and what guilds chose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From the first version."""
    for column in (
        sa.Column("guild_id", sa.BigInteger()),
        sa.Column("problem", sa.String(64)),
        sa.Column("points_to", sa.BigInteger()),
        sa.Column("as_of", sa.Double()),
        sa.Column("post_channel_id", sa.BigInteger()),
    ):
        op.add_column("answers", column)
    op.create_index("ix_answers_problem", "answers", ["guild_id", "asker_id", "problem"])
    op.create_index("ix_answers_points_to", "answers", ["points_to"])
    op.create_table(
        "posts",
        sa.Column("post_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("guild_id", sa.BigInteger()),
        sa.Column("asker_id", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.Double(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_posts_begun_at", "posts", ["begun_at"])
    op.create_index("ix_posts_done", "posts", ["done"])
    op.create_table(
        "seen",
        sa.Column("channel_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "guilds",
        sa.Column("guild_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("settings", sa.Text(), nullable=False),
    )
