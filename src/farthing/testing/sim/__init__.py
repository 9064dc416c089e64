"""The whole gateway on a virtual clock, disk, network and state store; a seed is a story."""

from farthing.testing.sim.weather import Weather
from farthing.testing.sim.world import CALLS, Report, simulate

__all__ = ["CALLS", "Report", "Weather", "simulate"]
