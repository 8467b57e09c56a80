"""The walk behind planned looks: where B = z√t stands while no boundary has ended it, and how much each look ends.

Numbers only; which boundaries to set belongs to group_sequential.py. Source: recursive integration of Armitage,
McPherson, Rowe (1969) with Simpson's rule; with a drift, B moves by drift·Δt between looks.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from glow_pipelines.learning.experiments.moments import Floats

NEVER = 12.0  # no normal value gets there: stands in for a boundary that is not there
POINTS = 500


class Walk:
    """The density of B = z√t over what has not ended, on a grid that each look replaces; any leading dimensions."""

    def __init__(self, shape: tuple[int, ...], points: int, drift: ArrayLike = 0.0) -> None:
        self.points = points + points % 2
        self.drift = np.broadcast_to(np.asarray(drift, dtype=float), shape)
        self.t = np.zeros(shape)
        # Before the first look all mass sits at 0.
        self.grid, self.mass = np.zeros((*shape, 1)), np.ones((*shape, 1))

    def boundary(self, t: ArrayLike, spend: ArrayLike, sides: int = 2) -> Floats:
        """z at fraction t beyond which exactly `spend` of what is left falls; ∞ for nothing to spend."""
        from scipy.special import ndtr

        at, goal = np.broadcast_arrays(np.asarray(t, dtype=float), np.asarray(spend, dtype=float))
        deviation, root = np.sqrt(at - self.t)[..., None], np.sqrt(at)
        low, high = np.zeros(goal.shape), np.full(goal.shape, NEVER)
        c = np.full(goal.shape, 2.5)
        middle = self.grid + (self.drift * (at - self.t))[..., None]
        for _ in range(80):
            edge = (c * root)[..., None]
            over, under = (edge - middle) / deviation, (-edge - middle) / deviation
            beyond = (self.mass * (ndtr(-over) + (ndtr(under) if sides == 2 else 0.0))).sum(axis=-1)
            both = np.exp(-(over**2) / 2) + (np.exp(-(under**2) / 2) if sides == 2 else 0.0)
            slope = (self.mass * both / deviation).sum(axis=-1) * root / math.sqrt(2 * math.pi)
            low, high = np.where(beyond > goal, c, low), np.where(beyond > goal, high, c)
            # Two looks a hair apart leave a slope of 1e-320 between points of the grid; halving takes over there.
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                # Newton on the logarithm: tails of 1e-7 and of 0.1 need the same few steps.
                newton = c + np.log(beyond / goal) * beyond / slope
            step = np.where((newton > low) & (newton < high), newton, (low + high) / 2)
            done = np.all(np.abs(step - c) < 1e-13 * (1 + c))
            c = step
            if done:
                break
        return np.where((goal > 0) & (c < NEVER - 1e-6), c, np.inf)

    def step(self, t: ArrayLike, upper: ArrayLike, lower: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Move to fraction t, end what is beyond the boundaries (in z), and return what ended: (upwards, downwards)."""
        from scipy.special import ndtr

        at, c = np.asarray(t, dtype=float), np.asarray(upper, dtype=float)
        below = -c if lower is None else np.asarray(lower, dtype=float)
        root, deviation = np.sqrt(at), np.sqrt(at - self.t)[..., None]
        middle = self.grid + (self.drift * (at - self.t))[..., None]
        ended = [
            (self.mass * ndtr(sign * ((bound * root)[..., None] - middle) / deviation)).sum(axis=-1)
            for sign, bound in ((-1, c), (1, below))
        ]
        top = np.minimum(c, NEVER + np.abs(self.drift) * root) * root
        bottom = np.maximum(below, -NEVER - np.abs(self.drift) * root) * root
        count = self._intervals(top - bottom, deviation[..., 0])
        self.grid, weights = _simpson(bottom, top, count)
        far = (self.grid[..., :, None] - middle[..., None, :]) / deviation[..., None]
        density = np.einsum("...ij,...j->...i", np.exp(-(far**2) / 2), self.mass)
        self.mass = density * weights / (deviation * math.sqrt(2 * math.pi))
        self.t = np.broadcast_to(at, self.t.shape)
        return np.asarray(ended[0], dtype=float), np.asarray(ended[1], dtype=float)

    def _intervals(self, width: Floats, deviation: Floats) -> int:
        # Two looks close together leave a narrow kernel: a grid coarser than half of it would miss mass.
        needed = float(np.max(width / deviation, initial=0.0)) * 2
        return int(min(max(self.points, 2 * math.ceil(needed / 2)), 4000))


def _simpson(bottom: Floats, top: Floats, intervals: int) -> tuple[Floats, Floats]:
    weights = np.ones(intervals + 1)
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    place = np.linspace(0.0, 1.0, intervals + 1)
    width = np.maximum(top - bottom, 0.0)[..., None]
    return bottom[..., None] + width * place, width / (3 * intervals) * weights
