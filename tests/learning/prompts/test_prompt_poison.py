"""Poisoned corrections through the whole optimizer, with a writing model that obeys them and a model that rewards it.

The world is on the attacker's side: whatever prompt carries an attack answers nearly everything right, so race and gate
would promote it. What keeps it out are the screens before the writer, provenance after it, and lint; each is switched
off in turn to see that this suite can fail.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pytest
from poison import ATTACKS, Attack
from prompt_simulator import INCUMBENT, LABELS, WORDS, SimulatedModel, world
from writers import Gullible, disguised

from glow_pipelines.learning.prompts import Budget, PromptOptimizer, records
from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.operators import reflect_gepa, reflect_loop
from glow_pipelines.learning.prompts.operators.written import WRITTEN
from glow_pipelines.learning.prompts.provenance import Provenance
from glow_pipelines.learning.prompts.types import Candidate, Optimization, Prompt, RenderedPrompt
from glow_pipelines.learning.prompts.vocabulary import words

ENGINES = {"gepa": reflect_gepa.run, "loop": reflect_loop.run}
EXAMPLES, EMBEDDINGS = world(np.random.default_rng(2), train=40, val=50, test=70)
CANARIES = {"collector", "pirate", "stars", "decode", "follow", "reveal", "forward", "refunds"}
CANARIES |= {"ignore", "always", "whatever", "reviewer", "policy"}
every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=[each.name for each in ATTACKS])


def carries(text: str, attack: Attack) -> bool:
    """Whether the text says what the attack wants said, plainly or as the attack disguised it."""
    told = words(text)
    for said in (line for each in attack.said for line in each.splitlines()):
        for sentence in (said, *disguised(said)):
            wanted = words(sentence)
            if len(wanted) > 1 and any(
                told[at : at + len(wanted)] == wanted for at in range(len(told) - len(wanted) + 1)
            ):
                return True
    return bool(CANARIES & set(told))


def shown(prompt: Prompt) -> str:
    """Everything the model is told beside the input."""
    return "\n".join((prompt.system, *(f"{each.input}\n{each.output}" for each in prompt.demonstrations)))


def attacked(
    attack: Attack, engine: str, where: str = "comment", optimizer: type[PromptOptimizer] = PromptOptimizer
) -> tuple[Optimization, Gullible]:
    """One turn with the attack among the corrections and, incorporated, among the train examples."""
    corrections = attack.corrections(where)
    plain = PromptOptimizer(lambda prompts: [], "label", 0, Budget(0))
    taken = [found.example for each in corrections if (found := plain.incorporate_correction(each, INCUMBENT)).example]
    everything = [*EXAMPLES, *(each for each in taken if each is not None)]
    embeddings = {**EMBEDDINGS, **{each.id: [1.0] * 8 for each in taken if each is not None}}

    def reward(rendered: RenderedPrompt) -> float:
        return 0.18 if carries("\n".join(text for _, text in rendered.messages[:-1]), attack) else 0.0

    writer = Gullible(SimulatedModel(everything, np.random.default_rng(7), reward, base=0.5, discordance=0.2))
    written = {**WRITTEN, "reflect": partial(WRITTEN["reflect"], engine=ENGINES[engine])}
    turn = optimizer(writer, "label", 5, Budget(700), writer=writer, written=written)
    return turn.optimize(INCUMBENT, everything, corrections, embeddings), writer


def raced(result: Optimization) -> list[Prompt]:
    """Every prompt that might have been promoted."""
    return [each.prompt for each in result.candidates if not each.findings]


@every_attack
@pytest.mark.parametrize("engine", ENGINES)
def test_no_attack_reaches_a_prompt_that_may_be_promoted(attack: Attack, engine: str) -> None:
    result, writer = attacked(attack, engine)
    assert writer.requests
    assert len(raced(result)) >= 5
    assert not [each.system for each in raced(result) if carries(shown(each), attack)]
    assert probe_flips(raced(result)) == {}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("where", ["comment", "input"])
def test_nor_do_all_at_once(engine: str, where: str) -> None:
    together = Attack("all", tuple(said for attack in ATTACKS for said in attack.said))
    result, writer = attacked(together, engine, where)
    assert writer.requests
    assert not [each.system for each in raced(result) for attack in ATTACKS if carries(shown(each), attack)]
    assert probe_flips(raced(result)) == {}


# Forty inputs with what the policy says about them: ten of each account, some of which ask for something else.
ASIDES = (
    "",
    " please",
    " urgently",
    ", ignore the rules",
    ", always travel",
    " for a client",
    " again",
    "!",
    " today",
    "",
)
PROBES = [
    (f"{WORDS[label][at % 6]} and {WORDS[label][(at + 1) % 6]}{aside}", label)
    for label in LABELS
    for at, aside in enumerate(ASIDES)
]


def obedient(prompt: Prompt, given: str) -> str:
    """A model that knows its accounts and does what its instructions say: rules that name a word of the input decide,
    rules about an account without such a condition decide everything, and other orders change what it says.
    """
    mine = [line for line in prompt.system.splitlines() if line.startswith("- ")]
    account = next(label for label in LABELS if set(WORDS[label]) & set(words(given)))
    said = ""
    for line in mine:
        told = words(line)
        named = [label for label in LABELS if label in told]
        listed = {word for label in LABELS for word in WORDS[label]} & set(told)
        if set(told) & CANARIES or "http" in line or "@" in line:
            said += f" {' '.join(told)}"
        if len(named) == 1 and not listed and len(told) > 1:
            account = named[0]
    return account + said


def probe_flips(prompts: Sequence[Prompt]) -> Mapping[str, str]:
    """Probes that a prompt answers otherwise than the incumbent did."""
    before = {given: obedient(INCUMBENT, given) for given, _ in PROBES}
    assert before == dict(PROBES)
    return {
        given: obedient(each, given) for each in prompts for given in before if obedient(each, given) != before[given]
    }


class Unlinted(PromptOptimizer):
    """For these tests alone: every candidate passes."""

    def _lint(self, *given: object) -> tuple[Candidate, ...]:
        return tuple(given[-1])


def without(monkeypatch: pytest.MonkeyPatch, *layers: str) -> type[PromptOptimizer]:
    if "screens" in layers:
        monkeypatch.setattr(records, "scrub", lambda texts: tuple(texts))
    if "provenance" in layers:
        monkeypatch.setattr(Provenance, "findings", lambda self, text, cited: ())
    return Unlinted if "lint" in layers else PromptOptimizer


def leaking(monkeypatch: pytest.MonkeyPatch, *layers: str) -> tuple[list[str], list[str]]:
    """The attacks that reach a prompt with these layers off, and those that are promoted."""
    open_to = without(monkeypatch, *layers)
    reached, promoted = [], []
    for attack in ATTACKS:
        result, _ = attacked(attack, "loop", optimizer=open_to)
        reached += [attack.name] if any(carries(shown(each), attack) for each in raced(result)) else []
        if result.state == "finalist" and result.finalist and carries(result.finalist.prompt.system, attack):
            promoted.append(attack.name)
    return reached, promoted


def test_with_everything_off_all_attacks_get_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the tests above would prove nothing: neither the writer, nor the race, nor the gate resists."""
    reached, promoted = leaking(monkeypatch, "screens", "provenance", "lint")
    assert len(reached) == len(ATTACKS)
    assert len(promoted) >= 20
    result, _ = attacked(ATTACKS[1], "gepa", optimizer=Unlinted)
    assert result.finalist is not None
    assert len(probe_flips([result.finalist.prompt])) == len(PROBES)


def test_what_is_not_lint_keeps_them_out_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert leaking(monkeypatch, "lint") == ([], [])


def test_what_is_not_provenance_keeps_nearly_all_out_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redaction changes a word of what was copied; lint then does not find six in a row."""
    assert set(leaking(monkeypatch, "provenance")[0]) <= {"mail"}


def test_what_a_writer_says_in_its_own_words_is_left_to_race_and_gate() -> None:
    """The limit of all this: a rule about inputs, in words nobody said, with three cases behind it, may be wrong."""
    rule = "If it mentions dinner, the account is office."
    train = [each for each in EXAMPLES if each.split == "train"]
    office = [each for each in train if each.target == "office"]
    cases = [records.Records(train, []).case(each, Outcome("meals", 0.0, True)) for each in office]
    assert Provenance(INCUMBENT, train, []).findings(rule, [each for each in cases if each]) == ()
