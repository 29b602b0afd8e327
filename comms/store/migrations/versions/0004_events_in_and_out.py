"""Events in and out: coordinates and outcomes of what comes, tries of what goes, dead letters, leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('dead_letters',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('topic', sa.String(length=250), nullable=False),
    sa.Column('partition', sa.Integer(), nullable=False),
    sa.Column('topic_offset', sa.BigInteger(), nullable=False),
    sa.Column('event_id', sa.String(length=100), nullable=True),
    sa.Column('event_type', sa.String(length=60), nullable=True),
    sa.Column('reason', sa.String(length=60), nullable=False),
    sa.Column('place', sa.String(length=120), nullable=True),
    sa.Column('content', sa.LargeBinary(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('replayed_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dead_letters')),
    sa.UniqueConstraint('topic', 'partition', 'topic_offset', name=op.f('uq_dead_letters_topic_partition_topic_offset'))
    )
    op.create_table('leases',
    sa.Column('role', sa.String(length=40), nullable=False),
    sa.Column('owner', sa.String(length=100), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('role', name=op.f('pk_leases'))
    )
    op.create_table('topic_marks',
    sa.Column('topic', sa.String(length=250), nullable=False),
    sa.Column('partition', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('next_offset', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('topic', 'partition', name=op.f('pk_topic_marks'))
    )
    # nothing ever wrote into it
    op.drop_table('inbox_events')
    op.create_table('inbox_events',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('consumer', sa.String(length=60), nullable=False),
    sa.Column('event_id', sa.String(length=100), nullable=False),
    sa.Column('event_type', sa.String(length=60), nullable=False),
    sa.Column('subject', sa.String(length=60), nullable=True),
    sa.Column('payload', sa.JSON(none_as_null=True), nullable=False),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('topic', sa.String(length=250), nullable=False),
    sa.Column('partition', sa.Integer(), nullable=False),
    sa.Column('topic_offset', sa.BigInteger(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('attempts', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('fault', sa.String(length=60), nullable=True),
    sa.Column('handled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('outcome', sa.String(length=20), nullable=True),
    sa.CheckConstraint("outcome IS NULL OR outcome IN ('applied', 'older', 'unchanged', 'dead')", name=op.f('ck_inbox_events_outcome')),
    sa.CheckConstraint('(handled_at IS NULL) = (outcome IS NULL)', name=op.f('ck_inbox_events_handled_has_outcome')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbox_events')),
    sa.UniqueConstraint('consumer', 'event_id', name=op.f('uq_inbox_events_consumer_event_id'))
    )
    with op.batch_alter_table('inbox_events', schema=None) as batch_op:
        batch_op.create_index('ix_inbox_events_subject', ['subject', 'occurred_at'], unique=False)
        batch_op.create_index('ix_inbox_events_unhandled', ['id'], unique=False, sqlite_where=sa.text('handled_at IS NULL'), postgresql_where=sa.text('handled_at IS NULL'))

    with op.batch_alter_table('outbox_events', schema=None) as batch_op:
        batch_op.add_column(sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('fault', sa.String(length=60), nullable=True))
        batch_op.create_index('ix_outbox_events_heads', ['key', 'id'], unique=False, sqlite_where=sa.text('published_at IS NULL AND parked_at IS NULL'), postgresql_where=sa.text('published_at IS NULL AND parked_at IS NULL'))



def downgrade() -> None:
    with op.batch_alter_table('outbox_events', schema=None) as batch_op:
        batch_op.drop_index('ix_outbox_events_heads', sqlite_where=sa.text('published_at IS NULL AND parked_at IS NULL'), postgresql_where=sa.text('published_at IS NULL AND parked_at IS NULL'))
        batch_op.drop_column('fault')
        batch_op.drop_column('next_attempt_at')

    op.drop_table('inbox_events')
    op.create_table('inbox_events',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('consumer', sa.String(length=60), nullable=False),
    sa.Column('event_id', sa.String(length=100), nullable=False),
    sa.Column('event_type', sa.String(length=60), nullable=False),
    sa.Column('subject', sa.String(length=60), nullable=True),
    sa.Column('payload', sa.JSON(none_as_null=True), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('handled_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbox_events')),
    sa.UniqueConstraint('consumer', 'event_id', name=op.f('uq_inbox_events_consumer_event_id'))
    )
    with op.batch_alter_table('inbox_events', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_inbox_events_subject'), ['subject'], unique=False)

    op.drop_table('topic_marks')
    op.drop_table('leases')
    op.drop_table('dead_letters')
