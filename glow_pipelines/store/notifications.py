"""What people should hear of.

Belongs here: writing a notification in the transaction of what it tells, reading them. Does not: sending them anywhere.
"""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

from glow_pipelines.learning.prompts.jsonable import jsonb_text
from glow_pipelines.store.noun import Noun, Row, json


class Notifications(Noun):
    queries = "notifications"

    def add(self, agent: str, kind: str, title: str, body: Mapping[str, object], key: str | None = None) -> bool:
        """Tell people something once; False when it was told before.

        The same is what has the same `key`; without one, the same title and body.
        """
        known = key or sha256(f"{title}\x1f{jsonb_text(body)}".encode()).hexdigest()
        return bool(self._run("add", agent=agent, kind=kind, title=title, body=json(dict(body)), key=known))

    def since(self, agent: str, since: datetime | None = None, most: int = 100) -> list[Row]:
        """An agent's notifications, the newest first: notification_id, agent, kind, title, body, created_at."""
        return self._rows("since", agent=agent, since=since, most=most)
