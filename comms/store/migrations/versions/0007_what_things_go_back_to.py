"""What emails, calls, requests and events go back to; runs are found by when they began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

CORRELATED = ('emails', 'email_batches', 'phone_calls', 'placement_requests', 'outbox_events')


def upgrade() -> None:
    for table in CORRELATED:
        op.add_column(table, sa.Column('correlation_id', sa.String(length=100), nullable=True))
    op.add_column('outbox_events', sa.Column('causation_id', sa.String(length=100), nullable=True))
    op.add_column('outbox_events', sa.Column('origin_ids', sa.JSON(none_as_null=True), nullable=True))
    op.create_index('ix_job_runs_started_at', 'job_runs', ['started_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_job_runs_started_at', table_name='job_runs')
    op.drop_column('outbox_events', 'origin_ids')
    op.drop_column('outbox_events', 'causation_id')
    for table in reversed(CORRELATED):
        op.drop_column(table, 'correlation_id')
