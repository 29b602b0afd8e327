"""Prefect flows: order and limits, nothing else."""
