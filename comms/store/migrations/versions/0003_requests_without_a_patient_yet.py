"""Placement requests that are named before their patient is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    with op.batch_alter_table('placement_requests', schema=None) as batch_op:
        batch_op.alter_column('patient_id', existing_type=BIG_ID, nullable=True)


def downgrade() -> None:
    with op.batch_alter_table('placement_requests', schema=None) as batch_op:
        batch_op.alter_column('patient_id', existing_type=BIG_ID, nullable=False)
