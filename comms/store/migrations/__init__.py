"""Alembic's scripts; a package so that the import contracts see it."""
