"""User text in the UI's Markdown is text."""

from glow_pipelines.defs.metadata import diff, plain, table

HOSTILE = "<img src=x onerror=alert(1)> [link](javascript:x) `code` | cell \u202e\u200b\n# head"


def test_no_markup_survives() -> None:
    line = plain(HOSTILE, 500)
    assert "\n" not in line
    assert "\u202e" not in line
    for sign in "<[`|#":
        assert sign not in line.replace(f"\\{sign}", "")


def test_a_cell_cannot_leave_its_cell() -> None:
    text = table(("a", "b"), [(HOSTILE, 1)]).value
    assert text is not None
    assert len(text.splitlines()) == 3


def test_a_diff_cannot_leave_its_block() -> None:
    text = diff("before", "``` after ````").value
    assert text is not None
    assert text.startswith("`````diff\n")
    assert text.endswith("\n`````")
