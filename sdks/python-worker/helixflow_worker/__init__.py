"""Workers for HelixFlow's agent queue: jobs whose steps survive a crash."""

from .job import Effect, Job, JobFailed, StepInDoubt
from .worker import Worker

__all__ = ["Effect", "Job", "JobFailed", "StepInDoubt", "Worker"]
