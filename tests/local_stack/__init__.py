"""The supervisor, with small parts of its own and with real ones."""
