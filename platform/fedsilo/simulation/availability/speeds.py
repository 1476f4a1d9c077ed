"""Clients that are always there and differ in speed: stragglers. Speeds are drawn, lognormal, or listed."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.simulation.availability_model import TimedAvailability


@dataclass(frozen=True)
class Speeds(TimedAvailability):
    """Everybody is always there; speeds are drawn (`spread`) or listed (`seconds_per_step`)."""
