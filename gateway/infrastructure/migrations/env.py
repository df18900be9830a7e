"""Alembic's entry: runs on the connection that ``database.open_database`` provides."""

from alembic import context

from gateway.infrastructure.database import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
