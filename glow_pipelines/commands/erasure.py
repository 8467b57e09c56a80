"""`glow erase`.

Belongs here: options, the receipt as a table. Does not: what is erased (sql/api/erasure.sql), finishing (erasure).
"""

from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text


@click.command()
@click.argument("subject")
@click.option("--tenant", metavar="NAME", help="whose person; default: the tenant `default`")
@click.option("--dry-run/--no-dry-run", default=True, help="say what would be touched, change nothing (the default)")
@click.option("--yes", is_flag=True, help="erase, after a dry run that is printed")
@click.option("--reason", default="", metavar="TEXT", help="kept with the receipt; without the person's name, please")
def erase(subject: str, tenant: str | None, dry_run: bool, yes: bool, reason: str) -> None:
    """Erase a person's data everywhere: SUBJECT is a user_id, a reviewer or an expert.

    Without --yes nothing is changed. What lies outside our tables is done at once, or goes on with the next
    `glow erase` or run of the job `erasure`, if this process dies.
    """
    import contextlib

    from glow_pipelines.erasure import finish_erasures
    from glow_pipelines.project import NoProject, find_project, open_services
    from glow_pipelines.store.erasure import ErasureRefused

    services, console = open_services(), Console()
    try:
        with services.store.transaction() as t:
            receipt = t.erasures.erase(subject, tenant, dry_run=True, reason=reason)
        print_receipt(receipt, console)
        if not yes:
            console.print("Nothing was changed: this was a dry run. Add --yes to erase.")
            return
        with services.store.transaction() as t:
            receipt = t.erasures.erase(subject, tenant, dry_run=False, reason=reason, confirm=receipt["confirm"])
    except ErasureRefused as error:
        raise click.ClickException(str(error)) from error
    print_receipt(receipt, console)
    project = None
    with contextlib.suppress(NoProject):
        project = find_project()
    found = finish_erasures(services, project)
    failed = [each for each in found if each.error is not None]
    waiting = [each for each in found if each.state == "waiting"]
    for each in found:
        said = each.error or ", ".join(f"{name} {value}" for name, value in each.outcome.items() if value)
        console.print(Text(f"{each.task.kind} {each.task.target}: {each.state}  {said}".rstrip()))
    if waiting:
        console.print("Runs are going on that began before: the job `erasure` looks again when they have ended.")
    if failed:
        raise click.ClickException(
            f"{len(failed)} tasks failed ({', '.join(sorted({str(each.error) for each in failed}))}): "
            "mend that and call again"
        )


def print_receipt(receipt: dict[str, Any], console: Console) -> None:
    """Rows by table, datasets revoked."""
    table = Table("table", "rows", box=None, title=Text(f"{receipt['status']}: {receipt['rows']} rows"))
    for name, rows in sorted(receipt["tables"].items()):
        if rows:
            table.add_row(Text(name), str(rows))
    console.print(table)
    if receipt["revoked"]:
        console.print(Text(f"dataset versions revoked: {', '.join(receipt['revoked'])}"))
