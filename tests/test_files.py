"""The lock that tells whether a demo or `glow up` is running."""

from pathlib import Path

from glow_pipelines.files import exclusive, is_held


def test_a_lock_is_held_while_its_holder_lives(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not is_held(lock)
    with exclusive(lock):
        assert is_held(lock)
    assert not is_held(lock)
