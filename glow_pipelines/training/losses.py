"""What is made smaller: how surprised the model is by answers, or how little it tells the better from the worse.

Belongs here: log-probabilities of the learned tokens, the two losses. Does not: batches, steps. Imports torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from glow_pipelines.training.tokens import Tokens


@dataclass(frozen=True)
class Scored:
    """By learned token: its log-probability, whether it was the most probable, and the text it is of."""

    log_probabilities: torch.Tensor
    hits: torch.Tensor
    rows: torch.Tensor
    texts: int

    def sums(self) -> torch.Tensor:
        """Log-probability of each text's answer."""
        zeros = torch.zeros(self.texts, device=self.rows.device)
        return zeros.index_add(0, self.rows, self.log_probabilities)


def score(model: Any, texts: Sequence[Tokens]) -> Scored:
    """The texts side by side, padded at the end. Only learned tokens meet the vocabulary: it has a fifth of the
    weights of a small model."""
    device, width = model.device, max(len(each) for each in texts)
    ids = torch.tensor([each.ids + (0,) * (width - len(each)) for each in texts], device=device)
    seen = torch.tensor([[1] * len(each) + [0] * (width - len(each)) for each in texts], device=device)
    learned = torch.tensor([each.learned + (False,) * (width - len(each)) for each in texts], device=device)[:, 1:]
    hidden = model.get_decoder()(input_ids=ids, attention_mask=seen, use_cache=False).last_hidden_state
    logits = model.get_output_embeddings()(hidden[:, :-1][learned])
    targets = ids[:, 1:][learned]
    told = torch.log_softmax(logits, dim=-1).gather(1, targets[:, None])[:, 0]
    return Scored(told, logits.argmax(-1) == targets, learned.nonzero()[:, 0], len(texts))


def preference_margin(scored: Scored, reference: torch.Tensor, beta: float) -> torch.Tensor:
    """How much more the better answer of each pair gained over the base than the worse one, times beta; its loss is
    -log sigmoid of it (DPO, Rafailov et al. 2023). Texts come as better, worse, better, …; `reference` is their
    log-probability under the base."""
    gained = (scored.sums() - reference).reshape(-1, 2)
    return beta * (gained[:, 0] - gained[:, 1])


def small_batches(lengths: Sequence[int], most: int) -> Iterator[slice]:
    """Runs of neighbours that have at most `most` tokens once padded, one longer text alone: memory does not grow with
    the batch."""
    start = 0
    for at in range(1, len(lengths) + 1):
        if at == len(lengths) or max(lengths[start : at + 1]) * (at + 1 - start) > most:
            yield slice(start, at)
            start = at
