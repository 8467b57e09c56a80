"""The loss: the positive against everything else in the batch.

Belongs here: multiple negatives ranking with weights and false-negative masks, its gradient in two passes. Does not:
batches, the optimizer.

−log exp(s(a, p) / t) / Σ_d exp(s(a, d) / t)   (Henderson et al. 2017), d over all positives and negatives of the batch.
In one collection 7.5 % of the mined negatives had the very text of their positive, and this loss raises no error: so
whatever has the text of one of the anchor's positives is masked, and whatever the model before training held for nearer
than the positive (GIST, Solatorio 2024). Gradients are cached (Gao et al. 2021): a large batch needs the
memory of a mini-batch.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from glow_pipelines.finetuning.pairs import Texts

if TYPE_CHECKING:
    from torch import Tensor

Encode = Callable[[Sequence[str]], Any]


def masks(batch: Sequence[Texts], positives: Mapping[str, Set[str]], guide: Encode | None) -> "Tensor":
    """True where a column must not count as a negative, shape (anchors, positives + negatives); never its own."""
    import torch

    columns = columns_of(batch)
    blocked = torch.tensor([[text in positives[each.anchor] for text in columns] for each in batch])
    own = torch.eye(len(batch), len(columns), dtype=torch.bool)
    if guide is not None:
        near = guide([each.anchor for each in batch]) @ guide(columns).T
        blocked |= near > near.diagonal().unsqueeze(1)
    return blocked & ~own


def columns_of(batch: Sequence[Texts]) -> list[str]:
    """What anchors are compared with: the positives in their order, then all negatives."""
    return [each.positive for each in batch] + [text for each in batch for text in each.negatives]


def ranking_loss(
    anchors: "Tensor", columns: "Tensor", blocked: "Tensor", weights: "Tensor", temperature: float
) -> "Tensor":
    """The weighted mean over the anchors."""
    import torch

    scores = (anchors @ columns.T / temperature).masked_fill(blocked.to(anchors.device), float("-inf"))
    target = torch.arange(len(anchors), device=anchors.device)
    each = torch.nn.functional.cross_entropy(scores, target, reduction="none")
    weights = weights.to(anchors.device)
    return (each * weights).sum() / weights.sum()


def backward(
    encode: Encode, batch: Sequence[Texts], blocked: "Tensor", temperature: float, mini_batch: int, seed: int
) -> float:
    """Put the gradient of the batch into the parameters behind `encode`; returns the loss.

    Each mini-batch is encoded twice with the same seed, so that dropout is the same both times.
    """
    import torch

    texts = [each.anchor for each in batch] + columns_of(batch)
    parts = [texts[at : at + mini_batch] for at in range(0, len(texts), mini_batch)]
    encoded = []
    with torch.no_grad():
        for number, part in enumerate(parts):
            torch.manual_seed(seed + number)
            encoded.append(encode(part))
    vectors = torch.cat(encoded).requires_grad_()
    weights = torch.tensor([each.weight for each in batch])
    loss = ranking_loss(vectors[: len(batch)], vectors[len(batch) :], blocked, weights, temperature)
    loss.backward()  # type: ignore[no-untyped-call,unused-ignore]
    assert vectors.grad is not None
    at = 0
    for number, part in enumerate(parts):
        torch.manual_seed(seed + number)
        again = encode(part)
        (again * vectors.grad[at : at + len(part)]).sum().backward()
        at += len(part)
    return float(loss.detach())
