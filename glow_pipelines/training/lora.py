"""LoRA: a small matrix product beside every linear layer of the blocks (Hu et al. 2021).

Belongs here: its weights, switching it on and off. Does not: the base, the loss. Imports torch.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from glow_pipelines.training.adapter import Matrix, is_adapted


class Lora:
    """y = W·x + alpha/rank · b·a·x, by hooks on the base's own layers. b begins at zero, so that training begins at
    the base. Drawn on the CPU by `seed`: the same on every device."""

    def __init__(self, model: Any, rank: int, seed: int) -> None:
        self.rank, self.alpha, self._on = rank, 2.0 * rank, True
        draw = torch.Generator().manual_seed(seed)
        self._weights: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        for name, layer in model.named_modules():
            if is_adapted(name):
                bound = 1 / math.sqrt(layer.in_features)
                a = (torch.rand(rank, layer.in_features, generator=draw) * 2 - 1) * bound
                b = torch.zeros(layer.out_features, rank)
                pair = tuple(each.to(layer.weight.device).requires_grad_() for each in (a, b))
                self._weights[name] = (pair[0], pair[1])
                layer.register_forward_hook(self._hook(*pair))

    def _hook(self, a: torch.Tensor, b: torch.Tensor) -> Any:
        def add(layer: Any, given: tuple[torch.Tensor, ...], answer: torch.Tensor) -> torch.Tensor:
            if not self._on:
                return answer
            linear = torch.nn.functional.linear
            return answer + linear(linear(given[0], a), b) * (self.alpha / self.rank)

        return add

    @contextmanager
    def off(self) -> Iterator[None]:
        """The base alone."""
        self._on = False
        try:
            yield
        finally:
            self._on = True

    def parameters(self) -> list[torch.Tensor]:
        return [each for pair in self._weights.values() for each in pair]

    def arrays(self) -> dict[str, tuple[Matrix, Matrix]]:
        """(a, b) by module."""
        return {name: (_array(a), _array(b)) for name, (a, b) in self._weights.items()}

    def state(self) -> dict[str, list[torch.Tensor]]:
        """What `restore` takes up."""
        return {name: [each.detach().cpu() for each in pair] for name, pair in self._weights.items()}

    def restore(self, state: Mapping[str, list[torch.Tensor]]) -> None:
        with torch.no_grad():
            for name, pair in self._weights.items():
                for mine, kept in zip(pair, state[name], strict=True):
                    mine.copy_(kept)


def _array(tensor: torch.Tensor) -> Matrix:
    array: Matrix = tensor.detach().cpu().numpy()
    return array
