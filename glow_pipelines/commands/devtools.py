"""`glow devtools`: for those who develop with Glow Pipelines.

Belongs here: options, what is printed. Does not: the tools (providers/faults).
"""

import click
from rich.console import Console
from rich.markup import escape

from glow_pipelines.providers.faults.catalog import FAULTS, BadScript, Script, read_fault


@click.group()
def devtools() -> None:
    """Tools for development."""


def _epilog() -> str:
    return "\b\n" + "\n".join(f"{fault.name:22}{fault.help}" for fault in FAULTS.values())


@devtools.command("faulty-provider", epilog=_epilog())
@click.option("--upstream", metavar="URL", help="base URL of the service behind; default: the embedded model server")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="on 127.0.0.1; default: any that is free")
@click.option("--fault", "faults", multiple=True, metavar="FAULT", help="NAME[=SECONDS][*TIMES|*always][@REQUESTS]")
def faulty_provider(upstream: str | None, port: int, faults: tuple[str, ...]) -> None:
    """Stand before a service that speaks OpenAI's wire, and let it fail by a script.

    Faults strike in the order in which they are given, each once unless told otherwise, at the sockets: what your
    client does about them is what it would do in earnest. Example: --fault '429=0.2*2' --fault created-then-drop
    """
    import threading

    from glow_pipelines.project import open_services
    from glow_pipelines.providers.faults.proxy import FaultyProvider, Passed

    console = Console()
    try:
        script = Script([read_fault(text) for text in faults])
    except BadScript as error:
        raise click.BadParameter(str(error), param_hint="--fault") from error
    key = "the key of the service behind"
    if upstream is None:
        services = open_services()
        endpoint = services.local_models.start()
        upstream, key = endpoint.base_url, f"the key in {services.settings.home / 'models.key'}"

    def show(passed: Passed) -> None:
        what = f"[red]{passed.fault}[/red]" if passed.fault else "passed"
        console.print(f"{passed.method} {escape(passed.path)}  {passed.status or 'never reached'}  {what}")

    try:
        proxy = FaultyProvider(upstream, script, port, show)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--upstream") from error
    with proxy:
        console.print(
            f"OPENAI_BASE_URL={proxy.url} stands before {escape(upstream)}; use {escape(key)}. Ctrl-C ends it."
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            console.print("ended")
