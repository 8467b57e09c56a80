"""Lint: what a candidate must satisfy before a single call is paid for it.

Belongs here: static checks against the incumbent and the evidence. What already stands in the incumbent is its owner's
business; only what a candidate adds is judged. Does not belong here: any opinion on quality.
"""

from collections.abc import Iterable, Sequence

from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.hygiene import fit_to_show, hidden_characters, hits
from glow_pipelines.learning.prompts.metrics import normalize
from glow_pipelines.learning.prompts.prompt import Prompt, Rule
from glow_pipelines.learning.prompts.templates import written_lines
from glow_pipelines.learning.prompts.vocabulary import words

SPAN = 6  # words in a row that count as copied
SHORT = 3  # a whole evidence text of at least this many words counts too
MIN_EVIDENCE = 3


class Linter:
    """Checks candidates against one incumbent, its train examples and its corrections."""

    def __init__(
        self,
        incumbent: Prompt,
        train: Sequence[Example],
        corrections: Sequence[Correction],
        max_prompt_tokens: int,
    ) -> None:
        self._incumbent, self._max_tokens = incumbent, max_prompt_tokens
        self._train = {example.id: example for example in train}
        self._own = (incumbent.system, *(incumbent.choices or ()))
        self._lines = written_lines(incumbent.choices) | {rule.text for rule in incumbent.rules}
        self._own_spans = {span for size in range(SHORT, SPAN + 1) for span in _spans(words(incumbent.system), size)}
        contract = {normalize(choice) for choice in incumbent.choices or ()}
        self._copied: set[tuple[str, ...]] = set()
        for text in _evidence_texts(train, corrections):
            told = words(text)
            if len(told) >= SHORT and normalize(text) not in contract:
                self._copied.update(_spans(told, min(SPAN, len(told))))

    def findings(self, candidate: Candidate) -> tuple[str, ...]:
        """Every reason to reject the candidate; empty when it may be evaluated."""
        prompt = candidate.prompt
        found = [*self._text(prompt), *self._contract(prompt)]
        known = {rule.id: rule for rule in self._incumbent.rules}
        for rule in prompt.rules:
            if known.get(rule.id) is None or known[rule.id].text != rule.text:
                found += self._rule(rule)
        found += self._demonstrations(prompt)
        if prompt.tokens > self._max_tokens:
            found.append(f"too long: about {prompt.tokens} tokens, the limit is {self._max_tokens}")
        return tuple(dict.fromkeys(found))

    def _text(self, prompt: Prompt) -> Iterable[str]:
        own = {code for text in self._own for code in hidden_characters(text)}
        yield from (f"hidden character {code}" for code in hidden_characters(prompt.system) if code not in own)
        own = {match for text in self._own for _, match in hits(text)}
        for kind, match in hits(prompt.system):
            if match not in own:
                yield f"{kind}: {match!r}"
        for line in (*prompt.instruction.splitlines(), *(rule.text for rule in prompt.rules)):
            if line not in self._lines:
                told = words(line)
                for span in (span for size in range(SHORT, SPAN + 1) for span in _spans(told, size)):
                    if span in self._copied and span not in self._own_spans:
                        yield f"copied from evidence: {' '.join(span)!r}"

    def _contract(self, prompt: Prompt) -> Iterable[str]:
        for name in ("choices", "max_tokens", "input_prefix"):
            before, after = getattr(self._incumbent, name), getattr(prompt, name)
            if before != after:
                yield f"output contract: {name} changed from {before!r} to {after!r}"

    def _rule(self, rule: Rule) -> Iterable[str]:
        groups = {self._train[each].group for each in rule.evidence if each in self._train}
        if len(groups) < MIN_EVIDENCE:
            yield f"rule {rule.id!r}: supported by {len(groups)} groups of train examples, {MIN_EVIDENCE} needed"
        if len(rule.text.splitlines()) != 1:
            yield f"rule {rule.id!r}: must be one line"

    def _demonstrations(self, prompt: Prompt) -> Iterable[str]:
        for shown in prompt.demonstrations:
            if shown in self._incumbent.demonstrations:
                continue
            source = self._train.get(shown.example_id)
            if source is None or (source.input, source.target) != (shown.input, shown.output):
                yield f"demonstration {shown.example_id!r} is not a train example as it stands"
            elif prompt.choices is not None and shown.output not in prompt.choices:
                yield f"demonstration {shown.example_id!r}: {shown.output!r} is not an allowed answer"
            elif not fit_to_show(shown.input):
                yield f"demonstration {shown.example_id!r}: link, role tag, override phrase or hidden character"


def _evidence_texts(train: Sequence[Example], corrections: Sequence[Correction]) -> Iterable[str]:
    for example in train:
        yield from (example.input, example.target)
    for each in corrections:
        yield from (each.input, each.observed, each.expected, each.comment or "", *each.issues)


def _spans(told: Sequence[str], size: int) -> Iterable[tuple[str, ...]]:
    return (tuple(told[start : start + size]) for start in range(len(told) - size + 1))
