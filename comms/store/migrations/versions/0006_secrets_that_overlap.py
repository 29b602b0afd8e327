"""A key may be given a new secret while the old one still opens for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('api_keys', schema=None) as batch_op:
        batch_op.add_column(sa.Column('previous_digest', sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column('previous_until', sa.DateTime(timezone=True), nullable=True))
        batch_op.create_unique_constraint(op.f('uq_api_keys_previous_digest'), ['previous_digest'])


def downgrade() -> None:
    with op.batch_alter_table('api_keys', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('uq_api_keys_previous_digest'), type_='unique')
        batch_op.drop_column('previous_until')
        batch_op.drop_column('previous_digest')
