"""Which tokens are learned: those of the answers, as the model is to say them after the very prompt it will be given.

Belongs here: a conversation into tokens and a mask, given how the base writes conversations. Does not: torch.

The prompt is made into tokens apart from the answer, as it is when the model is served: made together, the end of one
may join with the beginning of the other into a token that is never met again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.lines import Conversation, Example, Message

Render = Callable[[Sequence[Message], bool], str]
"""Messages as one text; with True also what comes before the assistant's next message."""
Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Tokens:
    """`learned[i]`: whether token i is to be said."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)


def tokens_of(conversation: Conversation, render: Render, encode: Encode, end: int | None) -> Tokens:
    """An answer is learned up to and with the token `end`. Raises CannotTrain where the template of the base shows
    earlier messages differently once an answer follows, as the prompt then could not be the one that is served."""
    ids: list[int] = []
    learned: list[bool] = []
    written = ""
    for place in conversation.learned:
        prompt = render(conversation.messages[:place], True)
        whole = render(conversation.messages[: place + 1], False)
        if not (prompt.startswith(written) and whole.startswith(prompt)):
            raise CannotTrain(
                "the chat template of the base writes a prompt differently once its answer follows; choose another"
                " base, or keep only the last answer of each line (weight 0 on the others)"
            )
        before, answer = encode(prompt[len(written) :]), encode(whole[len(prompt) :])
        said = answer.index(end) + 1 if end in answer else len(answer)
        ids += before + answer
        learned += [False] * len(before) + [True] * said + [False] * (len(answer) - said)
        written = whole
    return Tokens(tuple(ids), tuple(learned))


def why_left_out(example: Example, tokens: Sequence[Tokens], control: Sequence[str], longest: int) -> str | None:
    """Why a line is not trained on, or None. A text with a control token in it would end its message and begin another.
    One user's odd text must not end the training of all others."""
    for token in control:
        if any(token in text for text in example.texts):
            return f"it holds the control token {token!r}"
    if (length := max(len(each) for each in tokens)) > longest:
        return f"it has {length} tokens, {longest} are taken"
    return None
