"""The process that serves the embedded models of one home: `python -m glow_pipelines.providers.local --home …`.

The supervisor starts it; by hand it runs in the foreground. The key comes by file, not by argument: arguments are
visible to every user of the machine.
"""

import argparse
import json
import os
import shlex
import signal
import socket
from pathlib import Path

from glow_pipelines.files import write_whole
from glow_pipelines.providers.local import alive
from glow_pipelines.providers.local.home import Home, Wanted
from glow_pipelines.providers.local.weights import check_weights, find_weights


def main() -> None:
    """Be the one server of the home, load, listen, and only then write down the address."""
    parser = argparse.ArgumentParser(prog="python -m glow_pipelines.providers.local", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of the key, the address and the log")
    parser.add_argument("--chat-model", type=Path, help="a GGUF file; without it the installed SmolLM2-135M-Instruct")
    parser.add_argument("--threads", type=int, default=1, help="threads of one model (1)")
    parser.add_argument("--workers", type=int, default=2, help="answers worked on at once (2)")
    parser.add_argument("--trainer", help="a command that trains in the folder given by --job; without it our own")
    given = parser.parse_args()
    serve(Home(given.home), Wanted.of(given.chat_model, given.threads, given.workers, given.trainer))


def serve(home: Home, wanted: Wanted) -> None:
    """Serve until SIGTERM or SIGINT. Raises ModelUnavailable, BlockingIOError when the home has a server already."""
    import uvicorn

    from glow_pipelines.providers.local.engines import ChatEngine, EmbeddingEngine
    from glow_pipelines.providers.local.server import create_app
    from glow_pipelines.providers.local.tuning.service import LocalTuning
    from glow_pipelines.providers.local.tuning.trainer import Trainer

    home.make()
    life = alive.become(home.alive)
    weights = find_weights(wanted.chat_path)
    check_weights(weights, wanted.chat_model is not None, home.remembered)
    key = home.api_key()
    chat = ChatEngine(weights.chat, wanted.threads, wanted.workers, key, home.remembered)
    embeddings = EmbeddingEngine(weights.embedding, weights.tokenizer, wanted.threads)
    trainer = Trainer.of(shlex.split(wanted.trainer) if wanted.trainer else None)
    tuning = LocalTuning.open(home.tuning, weights.chat_name, weights.chat, trainer)
    app = create_app(chat, weights.chat_name, embeddings, tuning, key, wanted.workers)
    listener = socket.create_server(("127.0.0.1", 0))
    address = {"pid": os.getpid(), "port": listener.getsockname()[1], "chat_name": weights.chat_name}
    write_whole(home.address, json.dumps({**address, "wanted": wanted.fingerprint()}))
    tuning.runner.start()
    settings = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=3)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn, done, sends itself the signal that ended it once more: without this, nothing below would be reached.
        signal.signal(number, lambda *_: None)
    uvicorn.Server(settings).run(sockets=[listener])
    tuning.runner.stop()
    life.flush()
    # Not by returning: an instance still answering keeps llama.cpp's threads, and with them the process, for seconds.
    os._exit(0)


if __name__ == "__main__":
    main()
