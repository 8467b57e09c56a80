"""The HTTP face of the embedded models: the part of OpenAI's wire that this product uses.

Belongs here: routes, authorization, turns, errors in OpenAI's form. Does not: the models (engines), their life
(supervisor).
"""

import asyncio
import base64
import secrets
import time
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from glow_pipelines.providers.local.engines import CONTEXT, ChatEngine, EmbeddingEngine, conversation
from glow_pipelines.providers.local.tuning.routes import Handler, tuning_routes
from glow_pipelines.providers.local.tuning.service import LocalTuning
from glow_pipelines.providers.local.turns import Turns
from glow_pipelines.providers.local.weights import EMBEDDING_NAME

_MOST_TEXTS = 2048
# Without a limit the small model often finds no end: one such request kept an instance busy for 338 s.
_DEFAULT_MAX_TOKENS = 128
_ASKED = (
    *("messages", "temperature", "top_p", "seed", "stop", "n", "presence_penalty", "frequency_penalty"),
    *("response_format", "grammar", "logprobs", "top_logprobs"),
)
_NOT_OFFERED = ("stream", "tools", "functions", "audio")
_GIVEN = ("id", "object", "created", "choices", "usage", "system_fingerprint")


def create_app(
    chat: ChatEngine, chat_name: str, embeddings: EmbeddingEngine, tuning: LocalTuning, api_key: str, workers: int
) -> Starlette:
    """The application over loaded models. `workers` chats and one embedding call run at once; others wait in line."""
    started = int(time.time())
    chat_turns, embedding_turns = Turns(workers, chat.read_last), asyncio.Semaphore(1)
    threads = CapacityLimiter(workers + 1)  # own threads: with the shared 40, waiting chats kept embeddings out

    async def complete(request: Request) -> Response:
        body = await _body(request)
        name = body.get("model")
        tuned = None if name == chat_name else tuning.models.get(name)
        if (problem := _problem(body, name if tuned else chat_name)) is not None:
            return problem
        adapter = None if tuned is None else tuned.adapter
        wanted = {key: body[key] for key in _ASKED if body.get(key) is not None}
        wanted["max_tokens"] = body.get("max_completion_tokens") or body.get("max_tokens") or _DEFAULT_MAX_TOKENS
        async with chat_turns.turn(conversation(wanted["messages"], adapter)):
            if await request.is_disconnected():  # it gave up waiting and asks again: its old question helps nobody
                return Response(status_code=499)
            answer = await to_thread.run_sync(chat.complete, wanted, adapter, limiter=threads)
        if "choices" not in answer:
            error = answer.get("error", {})
            return _error(int(error.get("code", 500)), str(error.get("message", "no answer")))
        return JSONResponse({**{key: answer[key] for key in _GIVEN if key in answer}, "model": name})

    async def embed(request: Request) -> Response:
        body = await _body(request)
        texts = body.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            return _error(400, "input: a text or an array of texts is needed")
        if len(texts) > _MOST_TEXTS:
            return _error(400, f"input: {len(texts)} texts; at most {_MOST_TEXTS} are taken at once")
        if body.get("model") != EMBEDDING_NAME:
            return _error(404, f"model: {body.get('model')!r} is not served here; use {EMBEDDING_NAME!r}")
        form = body.get("encoding_format") or "float"
        if form not in ("float", "base64"):
            return _error(400, f"encoding_format: {form!r}; use 'float' or 'base64'")
        async with embedding_turns:
            if await request.is_disconnected():
                return Response(status_code=499)
            vectors, tokens = await to_thread.run_sync(embeddings.embed, texts, limiter=threads)
        if body.get("dimensions") not in (None, vectors.shape[1]):
            return _error(400, f"dimensions: {body['dimensions']!r}; this model gives {vectors.shape[1]}")
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": vector.tolist() if form == "float" else base64.b64encode(vector.tobytes()).decode(),
            }
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return JSONResponse({"object": "list", "data": data, "model": EMBEDDING_NAME, "usage": usage})

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def guarded(handler: Handler) -> Handler:
        async def check(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            # Any page in the user's browser can reach loopback: without the key it gets nothing.
            if not secrets.compare_digest(given.encode(), api_key.encode()):
                return _error(401, "the api key is wrong")
            return await handler(request)

        return check

    names = (chat_name, EMBEDDING_NAME)
    embedded = [{"id": name, "object": "model", "created": started, "owned_by": "embedded"} for name in names]
    return Starlette(
        routes=[
            Route("/v1/chat/completions", guarded(complete), methods=["POST"]),
            Route("/v1/embeddings", guarded(embed), methods=["POST"]),
            *tuning_routes(tuning, embedded, guarded),
            Route("/health", guarded(health)),
        ]
    )


def _problem(body: dict[str, Any], served: Any) -> Response | None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        return _error(400, "messages: an array of at least one chat message is needed")
    if body.get("model") != served:
        return _error(404, f"model: {body.get('model')!r} is not served here; use {served!r}")
    for name in _NOT_OFFERED:
        if body.get(name):
            return _error(400, f"{name}: not offered")
    for name in ("max_tokens", "max_completion_tokens"):
        value = body.get(name)
        if value is not None and (type(value) is not int or not 1 <= value <= CONTEXT):
            return _error(400, f"{name}: {value!r}; give a whole number from 1 to {CONTEXT}")
    return None


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {}


def _error(status: int, message: str) -> Response:
    status = status if 400 <= status < 600 else 500
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": None}}, status_code=status)
