"""Steepest steps: how an input moves in a region so that a linear objective falls fastest."""

import torch
from torch import Generator, Tensor

from verifier.numerics import flat
from verifier.regions import Ball, Region

EDGE = 1e-4  # share of the radius within which a coordinate counts as arrived at its end


def steepest(region: Region, x: Tensor, gradient: Tensor, density: Tensor) -> Tensor:
    """A change `(N, *)` of the region's own size; coordinates that have arrived at their end make no part of it.

    A box moves every coordinate by its radius, an L2 ball along the gradient. An L1 ball moves the `density (N,)` of
    coordinates with the greatest gradients alike, since a single one soon meets its end (Tramer and Boneh 2019).
    """
    box = region.box()
    radius = region.radius if isinstance(region, Ball) else box.radius
    room = torch.where(gradient > 0, x - box.lower, box.upper - x)
    slope = flat(torch.where(room > EDGE * radius, gradient * radius, 0.0), 1)
    if not isinstance(region, Ball):
        step = slope.sign()
    elif region.p == 2:
        step = slope / slope.norm(dim=1, keepdim=True).clamp(min=1e-300)
    else:
        count = (density * slope.shape[1]).ceil().long().clamp(min=1)
        least = slope.abs().sort(dim=1, descending=True).values.gather(1, count.unsqueeze(1) - 1)
        step = torch.where(slope.abs() >= least, slope, 0.0).sign() / count.unsqueeze(1)
    return (-step.reshape_as(radius) * radius).to(x.dtype)


def starts(region: Region, restart: Tensor, generator: Generator) -> Tensor:
    """`(N, *)` float32: restart 0 begins in the middle, odd ones anywhere, even ones at a random extreme point."""
    home = region.to(torch.float64, generator.device)
    box = home.box()
    noise = torch.randn(box.lower.shape, generator=generator, dtype=torch.float64, device=generator.device)
    middle = home.project(box.center.float())
    extreme = home.project(home.minimiser(noise).float())
    which = restart.to(middle.device).reshape(-1, *(1,) * len(region.shape))
    x = torch.where(which == 0, middle, torch.where(which % 2 == 1, home.sample(generator), extreme))
    return x.to(restart.device)
