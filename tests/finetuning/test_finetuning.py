"""Training a tiny random BERT for real: the loss falls, held-out questions find their answers, a kill costs nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glow_pipelines.finetuning.pairs import CannotTrain, Texts

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra `train`)")

from glow_pipelines.finetuning.encoder import Encoder  # noqa: E402
from glow_pipelines.finetuning.loss import backward, columns_of, masks, ranking_loss  # noqa: E402
from glow_pipelines.finetuning.train import CHECKPOINT, FinetuneSettings, finetune  # noqa: E402

SETTINGS = FinetuneSettings(epochs=12, batch=16, mini_batch=5, rate=3e-3, max_tokens=16, checkpoint_every=4)
TOPICS = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers and 32 numbers that knows a hundred words and nothing of them."""
    folder = tmp_path_factory.mktemp("model")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [f"{kind}{n}" for kind in "qd" for n in range(3 * TOPICS)] + [f"w{n}" for n in range(20)]
    (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=32, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def pairs(seed: int, each: int) -> list[Texts]:
    """Questions in words that documents do not have: which goes with which must be learned, and carries over."""
    rng = np.random.default_rng(seed)

    def text(kind: str, topic: int) -> str:
        own = [f"{kind}{3 * topic + n}" for n in rng.permutation(3)[:2]]
        return " ".join(rng.permutation([*own, *(f"w{n}" for n in rng.integers(20, size=2))]))

    return [
        Texts(text("q", topic), text("d", topic), (text("d", (topic + 1 + int(rng.integers(TOPICS - 1))) % TOPICS),))
        for topic in range(TOPICS)
        for _ in range(each)
    ]


def weights(folder: Path) -> dict[str, Any]:
    return transformers.AutoModel.from_pretrained(folder).state_dict()


def test_the_loss_falls_and_held_out_questions_find_their_answers(model: Path, tmp_path: Path) -> None:
    train = pairs(1, 8)
    known = {each.anchor for each in train}
    held_out = [each for each in pairs(2, 3) if each.anchor not in known]
    seen: list[float] = []
    found = finetune(train, model, tmp_path / "out", SETTINGS, held_out, lambda step, steps, loss: seen.append(loss))
    assert len(seen) == found.steps == 72
    assert found.losses[1] < 0.7 * found.losses[0]
    assert found.mrr is not None
    assert found.mrr[1] > 2 * found.mrr[0]
    again = Encoder(tmp_path / "out", 16)
    assert again.pooling == "mean"
    assert not (tmp_path / "out" / CHECKPOINT).exists()
    assert (tmp_path / "out" / "training.json").exists()
    with pytest.raises(CannotTrain, match="holds a model already"):
        finetune(train, model, tmp_path / "out", SETTINGS)


def test_a_killed_training_goes_on_to_the_same_weights(model: Path, tmp_path: Path) -> None:
    train, settings = pairs(1, 2), replace(SETTINGS, epochs=5)
    whole = finetune(train, model, tmp_path / "whole", settings)

    def die(step: int, steps: int, loss: float) -> None:
        if step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(train, model, tmp_path / "killed", settings, told=die)
    assert not (tmp_path / "killed" / "config.json").exists()
    steps: list[int] = []
    finetune(train, model, tmp_path / "killed", settings, told=lambda step, *_: steps.append(step))
    assert steps == list(range(5, whole.steps + 1))
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_of_something_else_is_not_continued(model: Path, tmp_path: Path) -> None:
    def die(step: int, *_: object) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(pairs(1, 8), model, tmp_path, SETTINGS, told=die)
    with pytest.raises(CannotTrain, match="another training"):
        finetune(pairs(2, 8), model, tmp_path, SETTINGS)


def test_cached_gradients_are_those_of_the_whole_batch(model: Path) -> None:
    batch, encoder = pairs(3, 1), Encoder(model, 16)
    encoder.model.eval()
    blocked = masks(batch, {each.anchor: {each.positive} for each in batch}, None)
    cached = backward(encoder.encode, batch, blocked, 0.1, 5, 0)
    gradients = [p.grad.clone() for p in encoder.model.parameters() if p.grad is not None]
    encoder.model.zero_grad()
    plain = ranking_loss(
        encoder.encode([each.anchor for each in batch]), encoder.encode(columns_of(batch)), blocked,
        torch.ones(len(batch)), 0.1,
    )  # fmt: skip
    plain.backward()
    assert cached == pytest.approx(plain.item(), abs=1e-5)
    others = [p.grad for p in encoder.model.parameters() if p.grad is not None]
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(gradients, others, strict=True))


def test_what_answers_the_anchor_is_no_negative() -> None:
    batch = [Texts("a", "p", ("x", "also right")), Texts("b", "p", ("p2",)), Texts("c", "r", ("p",))]
    positives = {"a": {"p", "also right"}, "b": {"p"}, "c": {"r"}}
    # columns: p p r x "also right" p2 p
    blocked = masks(batch, positives, None)
    assert blocked.tolist() == [
        [False, True, False, False, True, False, True],
        [True, False, False, False, False, False, True],
        [False, False, False, False, False, False, False],
    ]

    def guide(texts: Sequence[str]) -> Any:
        """The model before training holds x for nearer to everything than anything else."""
        return torch.tensor([[1.0, 0.0] if text in ("x", "a", "b", "c") else [0.9, 0.4] for text in texts])

    assert masks(batch, positives, guide)[:, 3].tolist() == [True, True, True]


def test_weights_count_and_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    vectors = torch.eye(2)
    open_ = torch.zeros(2, 2, dtype=torch.bool)
    wrong = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    low, high = (ranking_loss(wrong, vectors, open_, torch.tensor([1.0, weight]), 0.5).item() for weight in (0.1, 10.0))
    assert low < high
    with pytest.raises(CannotTrain, match="holds no model"):
        Encoder(tmp_path, 16)
    with pytest.raises(CannotTrain, match="epochs=0"):
        FinetuneSettings(epochs=0)
