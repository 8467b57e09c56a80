"""A door in front of the tests' PostgreSQL: it can be shut, and it can lose an answer.

Belongs here: passing bytes, or not. Does not: what they mean.
"""

import socket
import threading
from contextlib import suppress
from typing import Any, Self

from glow_pipelines.database.urls import parse


class Gate:
    """`with Gate(url) as gate:` listens on loopback; `gate.url` leads to the same database while it is open."""

    def __init__(self, url: str) -> None:
        parsed = parse(url)
        self._behind = (parsed.host or "127.0.0.1", parsed.port or 5432)
        self._guard, self._pairs = threading.Lock(), set[socket.socket]()
        self._lose, self.lost, self.port = False, 0, 0
        self.open()
        self.url = parsed.set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)

    def open(self) -> None:
        """Let connections through, on the same port as before."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen()
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Refuse new connections and cut those there are."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._guard:
            for each in self._pairs:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def lose_next_answer(self) -> None:
        """Cut the connection of the next answer instead of passing it on: the database has done what was asked."""
        self._lose = True

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._behind)
                with self._guard:
                    self._pairs |= {client, server}
                threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self._lose:
                    self._lose, self.lost = False, self.lost + 1
                    break
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._guard:
            if source in self._pairs and sink in self._pairs:
                self._pairs -= {source}
            else:  # the other direction has ended too
                self._pairs -= {source, sink}
                source.close()
                sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.shut()
