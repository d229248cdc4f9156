"""Where inputs may be."""

from verifier.regions.ball import Ball, ball
from verifier.regions.box import Box, box, linf
from verifier.regions.region import Region, trial_points

__all__ = ["Ball", "Box", "Region", "ball", "box", "linf", "trial_points"]
