"""A small OpenAI-compatible endpoint on loopback, for tests that need thousands of answers in seconds.

It speaks the wire (chat completions with a JSON schema, embeddings) and counts what it is asked, so that tests can
prove that no answer is paid for twice. Its "model" knows the sample company's truth table and reads the prompt: with
demonstrations of every label it is right more often. That stands in for a model, not for any part of the product.
"""

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from glow_pipelines.demo.company import CODER, TRIAGE, cases

DIMENSIONS = 64
NAIVE, SHOWN = 0.25, 0.75


def chance(*parts: str) -> float:
    """A number in [0, 1) that depends on the parts alone."""
    return int(hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:13], 16) / 16**13


class ScriptedModel:
    """Right on a quarter of the items, on three quarters when it is shown every label."""

    def __init__(self) -> None:
        self._right = {case.input: case.right[0] for agent in (CODER, TRIAGE) for case in cases(agent)}

    def answer(self, messages: list[dict[str, str]], labels: list[str] | None) -> str:
        asked = messages[-1]["content"]
        if labels is None:
            return f"Answer to: {asked[-60:]}"
        shown = {message["content"] for message in messages if message["role"] == "assistant"}
        skill = SHOWN if shown >= set(labels) else NAIVE
        right = self._right.get(asked)
        # Half of what decides is the item's own difficulty: two prompts fail on many of the same items.
        if right in labels and 0.5 * chance(asked) + 0.5 * chance(json.dumps(messages)) < skill:
            return str(right)
        others = [label for label in labels if label != right]
        return others[int(chance("other", json.dumps(messages)) * len(others))]

    def embed(self, text: str) -> list[float]:
        vector = np.full(DIMENSIONS, 1e-3)
        for word in re.findall(r"\w{3,}", text.casefold()):
            digest = hashlib.sha256(word.encode()).digest()
            vector[digest[0] % DIMENSIONS] += 1 if digest[1] % 2 else -1
        return [float(value) for value in vector / np.linalg.norm(vector)]


class OpenAIServer:
    """`with OpenAIServer(ScriptedModel()) as server:` serves on `server.url`; `requests` counts chat bodies."""

    def __init__(self, model: ScriptedModel, on_request: Callable[[int], None] = lambda number: None) -> None:
        self.requests: Counter[str] = Counter()
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(handler) -> None:  # noqa: N805
                body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
                if handler.path.endswith("/chat/completions"):
                    with lock:
                        self.requests[json.dumps(body, sort_keys=True)] += 1
                        number = self.requests.total()
                    on_request(number)
                    answer = _completion(model, body)
                else:
                    answer = _embeddings(model, body)
                data = json.dumps(answer).encode()
                handler.send_response(200)
                handler.send_header("content-type", "application/json")
                handler.send_header("content-length", str(len(data)))
                handler.end_headers()
                handler.wfile.write(data)

            def log_message(handler, *_: Any) -> None:  # noqa: N805
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "OpenAIServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """What makes Glow use this endpoint."""
        return {
            "OPENAI_BASE_URL": self.url,
            "OPENAI_API_KEY": "test",
            "GLOW_CHAT_MODEL": "scripted",
            "GLOW_EMBEDDING_MODEL": "hashed-words",
            "GLOW_EMBEDDING_DIMENSIONS": str(DIMENSIONS),
            "GLOW_STRUCTURED_OUTPUT": "json_schema",
        }


def _completion(model: ScriptedModel, body: dict[str, Any]) -> dict[str, Any]:
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    labels = schema["properties"]["answer"]["enum"] if schema else None
    text = model.answer(body["messages"], labels)
    message = {"role": "assistant", "content": json.dumps({"answer": text}) if labels else text}
    usage = {"prompt_tokens": 50, "completion_tokens": 2, "total_tokens": 52}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "c", "object": "chat.completion", "created": 0, "model": body["model"]}
    return head | {"choices": [choice], "usage": usage}


def _embeddings(model: ScriptedModel, body: dict[str, Any]) -> dict[str, Any]:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = [{"object": "embedding", "index": place, "embedding": model.embed(text)} for place, text in enumerate(texts)]
    return {"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
