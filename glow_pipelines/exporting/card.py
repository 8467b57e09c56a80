"""The card beside the files: README.md for people, croissant.json for machines.

Belongs here: what of a version goes into its card, writing both files. Does not: their text (learning/datasets).
"""

import hashlib
import json
from pathlib import Path

from glow_pipelines.exporting.ledger import Ledger
from glow_pipelines.exporting.part import Written, publish
from glow_pipelines.learning.datasets.datasheet import Sheet, SheetFile, card, croissant


def write_card(ledger: Ledger, folder: Path) -> list[Written]:
    """Write both anew, about every file of the version that is whole and where it was written."""
    version, files = ledger.version, ledger.files()
    sheet = Sheet(
        dataset_id=version.dataset_id,
        agent=version.agent,
        kind=version.kind,
        rule=version.rule.to_json(),
        as_of=version.as_of,
        created_at=version.created_at,
        rows=version.rows,
        content_hash=version.content_hash,
        rule_hash=version.rule_hash,
        statistics=version.statistics,
        parent=version.parent,
        files=[
            SheetFile(path.name, file.format, str(file.split), file.rows or 0, file.bytes or 0, str(file.sha256))
            for path, file in sorted(files.items())
            if file.state == "done" and file.format != "card" and path.exists()
        ],
        checks=[
            (str(each["name"]), bool(each["passed"]), str(each["detail"]))
            for each in version.statistics.get("checks", ())
        ],
        agreement={
            f"{each['name']}, when it was built": str(each["detail"])
            for each in version.statistics.get("checks", ())
            if each["name"] == "agreement"
        },
    )
    texts = {
        "README.md": card(sheet),
        "croissant.json": json.dumps(croissant(sheet), indent=1, ensure_ascii=False) + "\n",
    }
    written = []
    for name, text in texts.items():
        path, content = folder / name, text.encode()
        ledger.begin(path, "card", None)
        fresh = folder / f"{name}.part"
        fresh.write_bytes(content)
        publish(fresh, path)
        written.append(ledger.finish(Written(path, version.rows, len(content), hashlib.sha256(content).hexdigest())))
    return written
