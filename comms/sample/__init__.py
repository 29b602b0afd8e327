"""A lifelike data set, the same for the same seed: what the platform would say, and what happened before today."""

from comms.sample.data import SampleData, generate
from comms.sample.loading import SampleReport, load_sample
from comms.sample.writing import write_sample

__all__ = ["SampleData", "SampleReport", "generate", "load_sample", "write_sample"]
