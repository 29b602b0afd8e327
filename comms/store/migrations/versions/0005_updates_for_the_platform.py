"""What the platform is still to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('platform_updates',
    sa.Column('placement_request_id', BIG_ID, autoincrement=False, nullable=False),
    sa.Column('status', sa.String(length=20), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('fault', sa.String(length=40), nullable=True),
    sa.CheckConstraint("status IN ('in_progress')", name=op.f('ck_platform_updates_status')),
    sa.ForeignKeyConstraint(['placement_request_id'], ['placement_requests.id'], name=op.f('fk_platform_updates_placement_request_id')),
    sa.PrimaryKeyConstraint('placement_request_id', name=op.f('pk_platform_updates'))
    )
    with op.batch_alter_table('platform_updates', schema=None) as batch_op:
        batch_op.create_index('ix_platform_updates_untold', ['next_attempt_at'], unique=False, sqlite_where=sa.text('done_at IS NULL'), postgresql_where=sa.text('done_at IS NULL'))


def downgrade() -> None:
    with op.batch_alter_table('platform_updates', schema=None) as batch_op:
        batch_op.drop_index('ix_platform_updates_untold')

    op.drop_table('platform_updates')
