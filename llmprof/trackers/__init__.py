"""Experiment trackers that runs are sent to, each through its own library."""

from llmprof.trackers.libraries import TrackedRun
from llmprof.trackers.registry import TRACKERS, check_trackers, record

__all__ = ["TRACKERS", "TrackedRun", "check_trackers", "record"]
