"""A seeded generator for a lifelike data set."""
