"""`glow status`: what runs, and how far the loop is.

Belongs here: asking without starting anything. Does not: remedies (a doctor comes with the operations issue).
"""

from rich.console import Console
from rich.table import Table

from glow_pipelines.services import Services


def print_status(services: Services, console: Console) -> None:
    """Print services and counts. Starts nothing."""
    table = Table(show_header=False, box=None)
    settings = services.settings
    reachable = True
    if settings.database_url is None:
        server = services.embedded_server.status()
        reachable = server.running
        state = f"running on port {server.port}, PostgreSQL {server.version}" if server.running else "stopped"
        table.add_row("embedded database", state)
    else:
        from glow_pipelines.database import urls

        table.add_row("database", urls.mask(settings.database_url))
    if services.uses_local_models:
        models = services.local_models.status()
        table.add_row("embedded models", f"{models.chat_model} on port {models.port}" if models.running else "stopped")
    else:
        table.add_row("model endpoint", settings.openai_base_url or "api.openai.com")
    table.add_row("data", str(settings.home))
    console.print(table)
    if not reachable:
        console.print("Nothing runs. `glow demo` replays the sample company; `glow up` starts the services.")
        return
    from glow_pipelines.database import is_current

    if not is_current(services.database_url):
        console.print("The database is not at this version's schema: run `glow migrate`.")
        return
    with services.store.transaction() as t:
        stats = t.operations.learning_stats()
    counts = Table(show_header=False, box=None)
    for name, value in stats.items():
        shown = ", ".join(f"{key} {number}" for key, number in value.items()) if isinstance(value, dict) else value
        counts.add_row(name.replace("_", " "), str(shown) if shown != "" else "none")
    console.print(counts)
