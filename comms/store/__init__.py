"""Rows: models, sessions, queries per subject. Nothing here decides and nothing here talks to a network."""
