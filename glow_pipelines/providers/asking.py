"""Prompts of the prompt engine as requests to a chat model, and its answers as the engine's.

Belongs here: the two translations. Does not: the values themselves (types, learning/prompts), asking (chat, cache).
"""

from glow_pipelines.learning.prompts.types import Answer, RenderedPrompt
from glow_pipelines.providers.types import ChatAnswer, ChatRequest, Message, Usage

NO_ANSWER = ChatAnswer("", Usage(), cached=False)
"""What a prompt gets that the model cannot hold: nothing, so it counts as wrong. One such candidate (4,605 tokens for
4,096) ended a whole optimization before."""


def chat_request(rendered: RenderedPrompt) -> ChatRequest:
    """What is asked of the model."""
    messages = tuple(Message(role, content) for role, content in rendered.messages)
    return ChatRequest(messages, max_tokens=rendered.max_tokens, choices=rendered.choices)


def engine_answer(answer: ChatAnswer) -> Answer:
    """The answer with what it cost when it was fresh, also when it is cached."""
    first = answer.worth
    return Answer(
        answer.text, first.prompt_tokens, first.completion_tokens, first.cost_usd, answer.cached, first.seconds
    )
