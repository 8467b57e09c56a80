"""Settings: the charter's defaults, every problem told at once, secrets kept, an example file that is true."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.environment import CRON
from glow_pipelines.settings import Settings, SettingsError, example_file

ROOT = Path(__file__).parents[1]


def problems(**variables: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(variables)
    return caught.value.problems


def test_defaults_are_the_charters() -> None:
    settings = Settings.from_environment({})
    assert settings.learning_enabled is True
    assert settings.learning_auto_optimize is True
    assert settings.learning_min_feedback_count == 10
    assert settings.learning_optimization_schedule == "0 2 * * *"
    assert settings.fine_tuning_enabled is False
    assert settings.fine_tuning_min_examples == 50
    assert settings.fine_tuning_validation_split == 0.2
    assert settings.ab_test_min_sample_size == 1000
    assert settings.ab_test_confidence_threshold == 0.95
    assert settings.rag_learning_enabled is True
    assert settings.rag_embedding_update_threshold == 1000
    assert settings.database_url is None
    assert settings.dagster_database_url is None


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings.from_environment({}).learning_enabled = False  # type: ignore[misc]


def test_every_problem_is_told_at_once_with_variable_value_and_form() -> None:
    told = problems(LEARNING_ENABLED="maybe", LEARNING_OPTIMIZATION_SCHEDULE="nightly", GLOW_TIME_ZONE="Mars/Olympus")
    assert len(told) == 3
    assert told[0] == "LEARNING_ENABLED='maybe' is not accepted; expected true or false (also 1/0, yes/no, on/off)"
    assert "nightly" in told[1]
    assert "Mars/Olympus" in told[2]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LEARNING_MIN_FEEDBACK_COUNT", "0"),
        ("LEARNING_MIN_FEEDBACK_COUNT", "ten"),
        ("LEARNING_MIN_FEEDBACK_COUNT", "1.5"),
        ("FINE_TUNING_VALIDATION_SPLIT", "0.6"),
        ("FINE_TUNING_VALIDATION_SPLIT", "nan"),
        ("AB_TEST_CONFIDENCE_THRESHOLD", "1"),
        ("AB_TEST_CONFIDENCE_THRESHOLD", "inf"),
        ("AB_TEST_MIN_SAMPLE_SIZE", "-5"),
        ("GLOW_STRUCTURED_OUTPUT", "xml"),
        ("OPENAI_BASE_URL", "localhost:8080"),
        ("OPENAI_BASE_URL", "http://:80"),
        ("OPENAI_BASE_URL", "http://host:port"),
        ("DATABASE_URL", "mysql://host/glow"),
        ("DATABASE_URL", "postgresql://host"),
        ("GLOW_TIME_ZONE", "../etc"),
        ("GLOW_HOME", "~nobody-of-this-name/glow"),
    ],
)
def test_refused_values(variable: str, value: str) -> None:
    (told,) = problems(**{variable: value})
    assert told.startswith(f"{variable}=")


@pytest.mark.parametrize("good", ["0 2 * * *", "*/15 0-6,22 1 jan-mar mon", "0  2  *  *  7", "5,10-20/5 * * * SUN"])
def test_cron_accepted(good: str) -> None:
    assert CRON.read(good) == " ".join(good.split())


BAD_CRONS = """0 2 * *; 0 2 * * * *; 60 2 * * *; 0 24 * * *; 0 2 0 * *; 0 2 * 13 *; 0 2 * * 8; */0 * * * *;
5-1 * * * *; -1 * * * *; @daily; 0 2 * * mon-; a * * * *; 1, * * * *; ٣ * * * *; */ * * * *; 1/2/3 * * * *"""


@pytest.mark.parametrize("bad", BAD_CRONS.split(";"))
def test_cron_refused(bad: str) -> None:
    (told,) = problems(LEARNING_OPTIMIZATION_SCHEDULE=bad)
    assert told.endswith('expected five cron fields: minute hour day month weekday, such as "0 2 * * *"')


@given(st.integers(0, 59), st.integers(0, 23), st.integers(1, 31), st.integers(1, 12), st.integers(0, 7))
def test_every_plain_moment_is_a_cron(minute: int, hour: int, day: int, month: int, weekday: int) -> None:
    text = f"{minute} {hour} {day} {month} {weekday}"
    assert CRON.read(text) == text


def test_secrets_are_in_no_repr_and_no_message() -> None:
    secret = "sk-do-not-show"
    settings = Settings.from_environment({"OPENAI_API_KEY": secret, "DATABASE_URL": f"postgresql://u:{secret}@h/glow"})
    assert settings.openai_api_key == secret
    assert secret not in repr(settings)
    told = problems(DATABASE_URL=f"mysql://u:{secret}@h/glow", OPENAI_BASE_URL=f"https://u:{secret}@h/v1")
    assert len(told) == 2
    assert secret not in "".join(told)


def test_database_urls_lose_their_driver_and_dagsters_is_derived() -> None:
    settings = Settings.from_environment({"DATABASE_URL": "postgres://u:p@db:5433/glow?sslmode=require"})
    assert settings.database_url == "postgresql://u:p@db:5433/glow?sslmode=require"
    assert settings.dagster_database_url == "postgresql://u:p@db:5433/dagster?sslmode=require"
    own = Settings.from_environment({"GLOW_DAGSTER_DATABASE_URL": "postgresql+psycopg2://u@h/runs"})
    assert own.dagster_database_url == "postgresql://u@h/runs"


def test_home_is_beside_dagster_yaml_found_upwards_else_in_the_users_home(tmp_path: Path) -> None:
    inner = tmp_path / "project" / "a" / "b"
    inner.mkdir(parents=True)
    environ = {"HOME": str(tmp_path / "home")}
    assert Settings.from_environment(environ, inner).home == tmp_path / "home/.local/share/glow"
    (tmp_path / "project" / "dagster.yaml").touch()
    assert Settings.from_environment(environ, inner).home == tmp_path / "project/.glow"
    assert Settings.from_environment({"GLOW_HOME": "/data/glow"}, inner).home == Path("/data/glow")


def test_empty_means_unset() -> None:
    settings = Settings.from_environment({"GLOW_CHAT_MODEL": " ", "LEARNING_ENABLED": ""})
    assert settings.chat_model is None
    assert settings.learning_enabled is True


def test_example_file_is_what_the_table_generates() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == example_file()


def test_example_file_read_back_gives_the_defaults(tmp_path: Path) -> None:
    lines = [line for line in example_file().splitlines() if line and not line.startswith("#")]
    environ = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    assert Settings.from_environment(environ, tmp_path) == Settings.from_environment({}, tmp_path)
    assert all(f"{item.metadata['variable']}=" in example_file() for item in fields(Settings))


def test_loading_is_light() -> None:
    code = "import sys, glow_pipelines.settings; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {"dagster", "numpy", "openai", "psycopg", "sqlalchemy", "pandas", "scipy"} & set(loaded.split())
