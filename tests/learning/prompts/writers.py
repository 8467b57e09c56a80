"""Writing models for tests: they read requests as a real one would and answer with edits or sections.

`Honest` names the words that cases of one answer share. `Gullible` obeys its evidence: whatever in it sounds like an
order becomes a rule, with every case it was shown as support.
"""

import json
import re
from base64 import b64decode
from binascii import Error
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from glow_pipelines.learning.prompts.types import Answer, RenderedPrompt
from glow_pipelines.learning.prompts.vocabulary import words

_BLOCK = re.compile(r"<data-(\w+)>\n(.*)\n</data-\1>", re.DOTALL)
_EXPECTED = re.compile(r"Expected '([^']*)'")


def is_request(rendered: RenderedPrompt) -> bool:
    """Whether somebody asks for writing."""
    return rendered.messages[0][1].startswith(("You maintain the list of rules", "You put a prompt into sections"))


def evidence(rendered: RenderedPrompt) -> dict[str, Any]:
    """What stands between the tags."""
    found = _BLOCK.search(rendered.messages[-1][1])
    assert found is not None, rendered
    data: dict[str, Any] = json.loads(found.group(2))
    return data


class Writer:
    """Answers requests by `rules`, everything else by `model`; counts what it wrote."""

    def __init__(self, model: Callable[[Sequence[RenderedPrompt]], Sequence[Answer]]) -> None:
        self._model = model
        self.requests: list[RenderedPrompt] = []

    def __call__(self, prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        answers: list[Answer] = []
        for prompt in prompts:
            if is_request(prompt):
                self.requests.append(prompt)
                answers.append(Answer(self.write(prompt), 100, 50, 0.01, cached=False))
            else:
                answers += self._model([prompt])
        return answers

    def write(self, rendered: RenderedPrompt) -> str:
        if "sentences" in rendered.messages[-1][1][:20]:
            return sections(rendered)
        data = evidence(rendered)
        return json.dumps({"diagnosis": ["…"], "edits": self.rules(data)})

    def rules(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        raise NotImplementedError


class Honest(Writer):
    """One rule for the answer missed most often, from the words that three of its cases share."""

    def rules(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        missed = [(found.group(1), case) for case in data["cases"] if (found := _EXPECTED.search(case["Feedback"]))]
        edits = []
        for at, (target, _) in enumerate(Counter(target for target, _ in missed).most_common(6)):
            cases = [case for each, case in missed if each == target]
            shared = Counter(word for case in cases for word in set(words(case["Inputs"]["input"])))
            common = [word for word, count in shared.most_common() if count >= 2 and word.isalpha() and len(word) > 3]
            cluster = next((each["id"] for each in data["clusters"] if each["expected"] == target), f"c{at + 1}")
            text = f"If it mentions {' or '.join(sorted(common)[:4])}, the account is {target}."
            cited = [case["id"] for case in cases]
            edits.append({"op": "ADD", "cluster": cluster, "rule": None, "text": text, "evidence": cited})
        return edits


class Gullible(Writer):
    """Every sentence of users' words becomes a rule. Where it sees through a disguise it obeys what was disguised."""

    def rules(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        everyone = [case["id"] for case in data["cases"]]
        said = [line for case in data["cases"] for line in _said(case)]
        said = list(dict.fromkeys(plain for line in said for plain in (line, *disguised(line))))
        clusters = [each["id"] for each in data["clusters"]] or [f"c{at}" for at in range(1, 7)]
        return [
            {"op": "ADD", "cluster": clusters[at % len(clusters)], "rule": None, "text": text, "evidence": everyone}
            for at, text in enumerate(said[:6])
        ]


def _said(case: dict[str, Any]) -> list[str]:
    """Comments and issues first, then inputs that are sentences rather than two words and a number."""
    lines = [line.removeprefix("A user said: ").removeprefix("Issue: ") for line in case["Feedback"].splitlines()[1:]]
    given = case["Inputs"]["input"]
    lines += [] if re.fullmatch(r"\w+ (and|receipt) [\w -]+", given) else [given]
    return [" ".join(line.split()) for line in lines if line.strip()]


def disguised(text: str) -> list[str]:
    """What a text says under base64, invisible letters, comments of HTML or letters that look like others."""
    found = []
    for blob in re.findall(r"[A-Za-z0-9+/]{16,}={0,2}", text):
        try:
            found.append(b64decode(blob, validate=True).decode())
        except (Error, UnicodeDecodeError):
            continue
    found += re.findall(r"<!--\s*(.*?)\s*-->", text)
    tags = "".join(chr(ord(each) - 0xE0000) for each in text if 0xE0020 <= ord(each) < 0xE007F)
    found += [tags] if tags else []
    return found


def sections(rendered: RenderedPrompt) -> str:
    """Every sentence under one title as it stands; fixed ones only where it is to be shorter."""
    given = json.loads(rendered.messages[-1][1])["sentences"]
    shorter = "whatever else" in rendered.messages[0][1]
    kept = [each for each in given if each["fixed"] or not shorter] or given[-1:]
    lines = [{"text": each["text"], "from": [each["id"]]} for each in kept]
    return json.dumps({"sections": [{"title": "Procedure", "lines": lines}]})
