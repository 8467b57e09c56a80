"""An endpoint that speaks the parts of the OpenAI wire that `tests/openai_server.py` does not: streams and responses.

Belongs here: fixed answers in the wire's own form. Does not: a model.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
WORDS = ["It ", "is ", "travel."]
TOOL = {"id": "t1", "type": "function", "function": {"name": "book", "arguments": '{"account":"travel"}'}}


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return HEAD | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None}


def chunks(body: dict[str, Any]) -> list[dict[str, Any]]:
    if body.get("tools"):
        parts = [TOOL["function"] | {"arguments": ""}, {"arguments": TOOL["function"]["arguments"]}]  # type: ignore[dict-item]
        sent = [chunk({"tool_calls": [{"index": 0, "function": part}]}) for part in parts]
        return [*sent, chunk({}, "tool_calls")]
    sent = [chunk({"content": word}) for word in WORDS] + [chunk({}, "stop")]
    if body.get("stream_options", {}).get("include_usage"):
        usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
        sent.append(HEAD | {"choices": [], "usage": usage})
    return sent


def response(status: str = "completed") -> dict[str, Any]:
    content = [{"type": "output_text", "text": "".join(WORDS), "annotations": []}]
    message = {"type": "message", "id": "m1", "role": "assistant", "status": status, "content": content}
    usage = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
    head = {"id": "r1", "object": "response", "created_at": 0, "model": "scripted", "status": status}
    return head | {"output": [message], "usage": usage, "tools": [], "tool_choice": "auto", "parallel_tool_calls": True}


def events() -> list[dict[str, Any]]:
    place = {"item_id": "m1", "output_index": 0, "content_index": 0}
    deltas = [{"type": "response.output_text.delta", "delta": word} | place for word in WORDS]
    return [*deltas, {"type": "response.completed", "response": response()}]


class ModelServer:
    """`with ModelServer() as server:`; `server.url` is the base URL."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805
                body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
                chat = handler.path.endswith("/chat/completions")
                handler.send_response(200)
                if body.get("stream"):
                    handler.send_header("content-type", "text/event-stream")
                    handler.end_headers()
                    for each in chunks(body) if chat else events():
                        name = f"event: {each['type']}\n" if "type" in each else ""
                        handler.wfile.write(f"{name}data: {json.dumps(each)}\n\n".encode())
                    handler.wfile.write(b"data: [DONE]\n\n" if chat else b"")
                    return
                handler.send_header("content-type", "application/json")
                handler.end_headers()
                message = {"role": "assistant", "content": None, "tool_calls": [TOOL]}
                choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
                head = HEAD | {"object": "chat.completion", "choices": [choice]}
                handler.wfile.write(json.dumps(head if chat else response()).encode())

            def log_message(handler, *_: Any) -> None:  # noqa: N805
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
