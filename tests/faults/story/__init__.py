"""The whole service as a story of random steps, told beside a small model that knows the rules and no database."""
