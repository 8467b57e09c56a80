"""Lint: what a candidate must satisfy before a single call is paid for it.

Belongs here: static checks against the incumbent and the evidence. What already stands in the incumbent is its owner's
business; only what a candidate adds or takes away is judged. Does not belong here: any opinion on quality.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from glow_pipelines.learning.datasets.language import UNSURE, language_of
from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.hygiene import fit_to_show, hidden_characters, hits
from glow_pipelines.learning.prompts.influence import QUORUM, Support
from glow_pipelines.learning.prompts.metrics import normalize
from glow_pipelines.learning.prompts.prompt import Prompt, Rule
from glow_pipelines.learning.prompts.templates import is_written
from glow_pipelines.learning.prompts.vocabulary import words
from glow_pipelines.learning.prompts.wording import Wording, binds, placeholders, sentences, template_code

SPAN = 6  # words in a row that count as copied
SHORT = 3  # a whole evidence text of at least this many words counts too
# A name no dictionary has: letters and digits in one, such as an order or account number.
_IDENTIFIER = re.compile(r"(?=[\w-]*\d)(?=[\w-]*[^\W\d_])[^\W_][\w-]{4,}")


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
        self._support = Support(train, corrections)
        self._own = (incumbent.system, *(incumbent.choices or ()))
        self._wording = Wording(incumbent.system, incumbent.choices or ())
        lines = (line for line in incumbent.instruction.splitlines() if not self._ours(line))
        self._written = Wording("\n".join(lines))
        self._known = {rule.id: rule for rule in incumbent.rules}
        self._own_spans = {span for size in range(SHORT, SPAN + 1) for span in _spans(words(incumbent.system), size)}
        contract = {normalize(choice) for choice in incumbent.choices or ()}
        self._copied: set[tuple[str, ...]] = set()
        self._identifiers: set[str] = set()
        for text in _evidence_texts(train, corrections):
            self._identifiers |= _identifiers(text)
            told = words(text)
            if len(told) >= SHORT and normalize(text) not in contract:
                self._copied.update(_spans(told, min(SPAN, len(told))))
        self._identifiers -= {each for text in self._own for each in _identifiers(text)}

    def linted(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """The candidates with what is found added to what was."""
        found = [(each, (*each.findings, *self.findings(each))) for each in candidates]
        return tuple(replace(each, findings=tuple(dict.fromkeys(findings))) for each, findings in found)

    def findings(self, candidate: Candidate) -> tuple[str, ...]:
        """Every reason to reject the candidate; empty when it may be evaluated."""
        prompt = candidate.prompt
        found = [*self._text(prompt), *self._contract(prompt), *self._kept(prompt), *self._added(candidate)]
        for rule in self._new_rules(prompt):
            found += self._rule(rule)
        found += self._demonstrations(prompt)
        if prompt.tokens > self._max_tokens:
            found.append(f"too long: about {prompt.tokens} tokens, the limit is {self._max_tokens}")
        return tuple(dict.fromkeys(found))

    def _ours(self, line: str) -> bool:
        return is_written(line, self._incumbent.choices)

    def _new_rules(self, prompt: Prompt) -> list[Rule]:
        return [rule for rule in prompt.rules if rule.id not in self._known or self._known[rule.id].text != rule.text]

    def _text(self, prompt: Prompt) -> Iterable[str]:
        own = {code for text in self._own for code in hidden_characters(text)}
        yield from (f"hidden character {code}" for code in hidden_characters(prompt.system) if code not in own)
        own = {match for text in self._own for _, match in hits(text)}
        for kind, match in hits(prompt.system):
            if match not in own:
                yield f"{kind}: {match!r}"
        rules = [rule.text for rule in self._new_rules(prompt)]
        for line in (*prompt.instruction.splitlines(), *rules):
            if self._ours(line):
                continue
            told = words(line)
            for span in (span for size in range(SHORT, SPAN + 1) for span in _spans(told, size)):
                if span in self._copied and span not in self._own_spans:
                    yield f"copied from evidence: {' '.join(span)!r}"
            for name in sorted(_identifiers(line) & self._identifiers):
                yield f"copied from evidence: {name!r}"

    def _contract(self, prompt: Prompt) -> Iterable[str]:
        for name in ("choices", "max_tokens", "input_prefix"):
            before, after = getattr(self._incumbent, name), getattr(prompt, name)
            if before != after:
                yield f"output contract: {name} changed from {before!r} to {after!r}"

    def _kept(self, prompt: Prompt) -> Iterable[str]:
        """What may not go, nor come: placeholders, prohibitions, the language."""
        before, after = placeholders(self._incumbent.system), placeholders(prompt.system)
        for name in sorted((before - after) | (after - before)):
            yield f"placeholder {name!r}: {after[name]} times, {before[name]} in the prompt in force"
        for sign in sorted(template_code(prompt.system) - template_code(self._incumbent.system)):
            yield f"template code: {sign!r}"
        yield from (f"dropped what binds: {sentence!r}" for sentence in self._written.dropped(prompt.system))
        kept = {rule.id for rule in prompt.rules}
        for rule in self._incumbent.rules:
            if rule.id not in kept and binds(rule.text) and rule.harmful <= rule.helpful:
                yield f"dropped what binds: rule {rule.id!r}, which did no harm"
        before_in, after_in = language_of(self._incumbent.instruction), language_of(prompt.instruction)
        if before_in != after_in and not {before_in, after_in} & {UNSURE, None}:
            yield f"language: written in {after_in}, the prompt in force in {before_in}"

    def _added(self, candidate: Candidate) -> Iterable[str]:
        """New sentences of the instruction: each must be declared, with evidence that asks for it."""
        declared = {tuple(words(edit.text)): edit.evidence for edit in candidate.edits}
        for line in candidate.prompt.instruction.splitlines():
            for sentence in [] if self._ours(line) else sentences(line):
                evidence = declared.get(tuple(words(sentence)))
                if self._wording.says(sentence):
                    continue
                if evidence is None:
                    yield f"says what nobody asked for: {sentence!r}"
                else:
                    yield from (f"{sentence!r}: {lack}" for lack in self._lack(evidence))

    def _rule(self, rule: Rule) -> Iterable[str]:
        yield from (f"rule {rule.id!r}: {lack}" for lack in self._lack(rule.evidence))
        if len(rule.text.splitlines()) != 1:
            yield f"rule {rule.id!r}: must be one line"

    def _lack(self, evidence: Sequence[str]) -> Iterable[str]:
        places, people = self._support.places(evidence), self._support.people(evidence)
        if len(places) < QUORUM:
            yield f"supported by {len(places)} groups of train examples, {QUORUM} needed"
        elif not self._support.enough(evidence):
            yield f"supported by {len(people)} persons and no expert, {QUORUM} persons or an expert needed"

    def _demonstrations(self, prompt: Prompt) -> Iterable[str]:
        for shown in prompt.demonstrations:
            if shown in self._incumbent.demonstrations:
                continue
            source = self._train.get(shown.example_id)
            if source is None or (source.input, source.target) != (shown.input, shown.output):
                yield f"demonstration {shown.example_id!r} is not a train example as it stands"
            elif prompt.choices is not None and shown.output not in prompt.choices:
                yield f"demonstration {shown.example_id!r}: {shown.output!r} is not an allowed answer"
            elif not source.approved:
                yield f"demonstration {shown.example_id!r}: no expert stands behind it"
            elif not (fit_to_show(shown.input) and fit_to_show(shown.output)):
                yield f"demonstration {shown.example_id!r}: link, role tag, override phrase or hidden character"


def _evidence_texts(train: Sequence[Example], corrections: Sequence[Correction]) -> Iterable[str]:
    for example in train:
        yield from (example.input, example.target)
    for each in corrections:
        yield from (each.input, each.observed, each.expected, each.comment or "", *each.issues)


def _identifiers(text: str) -> set[str]:
    return {normalize(each) for each in _IDENTIFIER.findall(text)}


def _spans(told: Sequence[str], size: int) -> Iterable[tuple[str, ...]]:
    return (tuple(told[start : start + size]) for start in range(len(told) - size + 1))
