"""The budget under any sequence of reservations and answers."""

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.prompts import Budget, BudgetExhaustedError
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.types import Answer, Example, Prompt, RenderedPrompt

PRICES = st.tuples(st.floats(0, 100), st.floats(0, 100))
QUESTIONS = st.builds(
    RenderedPrompt,
    st.tuples(st.tuples(st.just("user"), st.text(max_size=12))),
    st.none() | st.just(("yes", "no")),
    st.integers(1, 40),
)


def answer(cached: bool) -> Answer:
    return Answer("x", 10, 2, 0.5, cached)


def fresh(budget: Budget, request: RenderedPrompt, share: float, cached: bool) -> Answer:
    """An answer that uses a share of the worst case."""
    room = budget.worst_case(request)[0] - request.max_tokens
    prompt = int(share * (room if request.choices is None else room / 2))  # the labels' room is the answer's too
    completion = int(share * request.max_tokens)
    cost = (prompt * budget.prices[0] + completion * budget.prices[1]) / 1e6
    return Answer("x", prompt, completion, cost, cached)


@given(
    st.integers(0, 30),
    st.none() | st.integers(0, 3000),
    st.none() | st.floats(0, 0.01),
    PRICES,
    st.lists(
        st.tuples(
            st.lists(st.tuples(QUESTIONS, st.floats(0, 1), st.booleans()), max_size=8),
            st.booleans(),
            st.integers(0, 40),
        ),
        max_size=12,
    ),
)
def test_no_sequence_of_reservations_and_answers_exceeds_a_limit(
    max_calls: int,
    max_tokens: int | None,
    max_usd: float | None,
    prices: tuple[float, float],
    steps: list[tuple[list[tuple[RenderedPrompt, float, bool]], bool, int]],
) -> None:
    budget = Budget(max_calls, max_tokens, max_usd, prices)
    used: dict[RenderedPrompt, Answer] = {}
    lost: list[tuple[int, int, int]] = []  # worst cases of calls that raised: they may have been paid
    for asked, raises, allowed in steps:
        budget.allow(allowed, 40)
        requests = [request for request, _, _ in asked]
        if not budget.fits(requests):
            with pytest.raises(BudgetExhaustedError):
                budget.reserve(requests)
            continue
        held = budget.reserve(requests)
        if raises:
            lost.append((held.calls, held.tokens, held.money))
        else:
            answers = [fresh(budget, *each) for each in asked]
            budget.settle(held, answers)
            for request, given_answer in zip(requests, answers, strict=True):
                used.setdefault(request, given_answer)
        calls = len(used) + sum(each[0] for each in lost)
        tokens = sum(each.prompt_tokens + each.completion_tokens for each in used.values())
        cost = sum((Fraction(each.cost_usd) for each in used.values()), Fraction(0))
        assert calls <= max_calls
        assert max_tokens is None or tokens + sum(each[1] for each in lost) <= max_tokens
        assert max_usd is None or cost + Fraction(sum(each[2] for each in lost), 10**12) <= Fraction(max_usd)
        assert (budget.calls, budget.tokens, budget.overshoot) == (len(used), tokens, 0.0)
        assert budget.paid_calls <= sum(len(each) for each, _, _ in steps)


@given(st.integers(0, 40), st.lists(st.tuples(st.integers(0, 15), st.lists(st.booleans(), max_size=15), st.booleans())))
def test_numbers_of_calls_never_overshoot(max_calls: int, steps: list[tuple[int, list[bool], bool]]) -> None:
    budget, used, paid, stuck = Budget(max_calls), 0, 0, 0
    for wanted, cached, raises in steps:
        if wanted > max_calls - used - stuck:
            with pytest.raises(BudgetExhaustedError, match=f"{wanted} calls"):
                budget.reserve(wanted)
            continue
        held = budget.reserve(wanted)
        if raises:
            stuck += wanted  # the call failed; nobody knows what of it was paid
        else:
            given_answers = [answer(each) for each in cached[:wanted]]
            budget.settle(held, given_answers)
            used += len(given_answers)
            paid += sum(not each.cached for each in given_answers)
        assert (budget.calls, budget.paid_calls) == (used, paid)
        assert budget.remaining == max_calls - used - stuck >= 0
        assert (budget.cost_usd, budget.paid_usd) == (0.5 * used, 0.5 * paid)


def test_a_resumed_run_books_what_the_first_one_booked() -> None:
    requests = [Prompt("Sort.").render(text) for text in "abcd"]
    first, second = Budget(10, 5000), Budget(10, 5000)
    first.settle(first.reserve(requests), [answer(False)] * 4)
    second.settle(second.reserve(requests), [answer(True)] * 4)
    assert (second.calls, second.tokens, second.cost_usd) == (first.calls, first.tokens, first.cost_usd) == (4, 48, 2.0)
    assert (first.paid_calls, second.paid_calls, second.paid_usd) == (4, 0, 0.0)


def test_a_request_is_booked_once_however_often_it_is_asked() -> None:
    request = Prompt("Sort.").render("a")
    budget = Budget(1)
    budget.settle(budget.reserve([request, request]), [answer(False), answer(True)])
    assert budget.fits([request])
    budget.settle(budget.reserve([request]), [answer(True)])
    assert (budget.calls, budget.remaining) == (1, 0)
    assert not budget.fits([Prompt("Sort.").render("b")])


def test_a_stage_uses_its_share_of_every_limit() -> None:
    requests = [Prompt("x", max_tokens=1).render(str(number)) for number in range(4)]
    tokens = Budget(100).worst_case(requests[0])[0]
    budget = Budget(100, 4 * tokens)
    budget.allow(1, 2)
    assert budget.fits(requests[:2])
    with pytest.raises(BudgetExhaustedError, match="max_tokens"):
        budget.reserve(requests[:3])
    budget.allow(2, 2)
    assert budget.fits(requests)


def test_a_model_that_uses_more_than_the_worst_case_is_found_out_once() -> None:
    budget = Budget(100, 1000)
    first, second = Prompt("x", max_tokens=1).render("1"), Prompt("x", max_tokens=1).render("2")
    budget.settle(budget.reserve([first]), [Answer("x", 700, 1, 0.0, False)])
    assert budget.overshoot == 0
    assert not budget.fits([second])
    budget = Budget(100, 100)
    budget.settle(budget.reserve([first]), [Answer("x", 149, 1, 0.0, False)])
    assert budget.overshoot == 0.5


def test_settling_twice_or_too_much_is_refused() -> None:
    budget = Budget(5)
    held = budget.reserve(2)
    with pytest.raises(ValueError, match="3 answers for 2"):
        budget.settle(held, [answer(False)] * 3)
    budget.settle(held, [answer(True), answer(False)])
    assert (budget.calls, budget.paid_calls, budget.cached, budget.remaining) == (2, 1, 1, 3)
    with pytest.raises(ValueError, match="not open"):
        budget.settle(held, [])
    with pytest.raises(ValueError, match="1 answers for 2 requests"):
        budget.settle(budget.reserve([Prompt("x").render(text) for text in "ab"]), [answer(True)])


@pytest.mark.parametrize(
    "limits", [{"max_calls": -1}, {"max_calls": 1, "max_tokens": -1}, {"max_calls": 1, "max_usd": float("inf")}]
)
def test_limits_are_numbers(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=rf"{list(limits)[-1]}=.* must be >= 0"):
        Budget(**limits)  # type: ignore[arg-type]


def test_a_number_says_nothing_of_tokens_and_money() -> None:
    for budget in (Budget(5, max_tokens=100), Budget(5, max_usd=1.0)):
        with pytest.raises(ValueError, match="name its requests"):
            budget.reserve(1)
    with pytest.raises(ValueError, match="calls=-1"):
        Budget(5).reserve(-1)


@given(st.integers(0, 30), st.lists(st.lists(st.integers(0, 20), max_size=12), max_size=6), st.integers(1, 7))
def test_evaluator_asks_each_pair_once_and_stays_within(max_calls: int, asks: list[list[int]], batch: int) -> None:
    sent: list[str] = []

    def model(prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        sent.extend(prompt.messages[-1][1] for prompt in prompts)
        return [answer(False) for _ in prompts]

    budget = Budget(max_calls)
    evaluator = Evaluator(model, metric_named("label"), budget, batch)
    prompt = Prompt("Sort.")
    for ask in asks:
        before = len(sent)
        pairs = [(prompt, Example(str(each), str(each), "x", str(each), "val")) for each in ask]
        unasked = len({str(each) for each in ask} - set(sent))
        if unasked > max_calls - before:
            with pytest.raises(BudgetExhaustedError):
                evaluator.ask(pairs)
            assert len(sent) == before  # all or nothing
        else:
            evaluator.ask(pairs)
            assert len(sent) == before + unasked
    assert len(sent) == len(set(sent)) == budget.calls <= max_calls


def test_a_short_answer_list_is_an_error() -> None:
    evaluator = Evaluator(lambda prompts: [], metric_named("label"), Budget(3))
    with pytest.raises(ValueError, match="0 answers for 1"):
        evaluator.ask([(Prompt("x"), Example("1", "a", "b", "g", "val"))])


def test_many_requests_go_into_a_limit_that_their_worst_cases_do_not() -> None:
    def model(prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        return [Answer("x", 10, 2, 0.0, cached=False) for _ in prompts]

    pairs = [(Prompt("Sort."), Example(str(each), str(each), "x", str(each), "val")) for each in range(100)]
    worst = Budget(1000).worst_case(pairs[0][0].render("99"))[0]
    assert worst > 60
    budget = Budget(1000, 1500)
    evaluator = Evaluator(model, metric_named("label"), budget)
    evaluator.ask(pairs[:1])
    evaluator.ask(pairs)  # 100 x 12 tokens
    assert (evaluator.evaluations, budget.tokens, budget.overshoot) == (100, 1200, 0.0)
    more = [(Prompt("Sort."), Example(f"m{each}", f"m{each}", "x", str(each), "val")) for each in range(100)]
    with pytest.raises(BudgetExhaustedError):
        evaluator.ask(more)
    assert budget.tokens == 1200
