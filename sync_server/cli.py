"""``safestats``: everything that the SafeStats team does on the server."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError

from ..shared.areas import BOUNDARIES_FILE
from .command_line import initialised, printable
from .database import CannotLoadSpatialiteError
from .datasets.definitions import DefinitionError
from .domains import Domains
from .errors import SafeStatsError, disk_full_sentence, is_disk_full
from .keys import KeysError
from .problems import Problem
from .schema import prepare_database
from .services import open_services
from .settings import Part, Settings

app = typer.Typer(
    cls=Domains,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Everything that the SafeStats team does on the server. SAFESTATS_DATA_DIR names the server's folder.",
)

TOLD = (SafeStatsError, Problem, CannotLoadSpatialiteError, DefinitionError, KeysError)


@app.command()
def init() -> None:
    """Make the server's folder: database, keys, areas, conditions of use. What is there already stays."""
    from .datasets.areas import load_supplied_areas
    from .identity.commands import publish_supplied_conditions

    services = open_services(Settings(), Part.OWNER)
    try:
        prepare_database(services.database, services.settings, services.definitions)
        resources = services.settings.resources_dir
        with services.database.write() as session:
            edition = load_supplied_areas(session, resources / BOUNDARIES_FILE)
            version = publish_supplied_conditions(session, services.audit, resources / "conditions")
        typer.echo(f"The server's folder {services.settings.data_dir} is ready: areas {edition}, conditions {version}.")
    finally:
        services.close()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 0,
    certificate: Annotated[Path | None, typer.Option(help="TLS certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
) -> None:
    """Serve the API until interrupted, with a publishing worker beside it."""
    from granian import Granian
    from granian.constants import Interfaces

    from .asgi import application
    from .publishing.supervisor import WorkerProcess

    _check_tls(certificate, key)
    # Trouble is told here, in a sentence, not by a worker that is started again and again.
    with initialised() as services:
        address, number = host or services.settings.host, port or services.settings.port
    try:
        socket.create_server((address, number)).close()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error.strerror
        raise SafeStatsError(
            f"Cannot listen on {address}, port {number} ({reason}): choose another with --host or --port."
        ) from error
    server = Granian(
        application.__qualname__,
        address=address,
        port=number,
        interface=Interfaces.ASGI,
        workers=1,
        ssl_cert=certificate,
        ssl_key=key,
    )
    with WorkerProcess():
        server.serve(target_loader=application, wrap_loader=False)  # a name would be looked for in the working folder


def _check_tls(certificate: Path | None, key: Path | None) -> None:
    """Raises ``SafeStatsError`` where TLS is asked for and cannot be had: never plain HTTP instead."""
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise SafeStatsError("TLS needs both: give --certificate and --key together.")
    for path in (certificate, key):
        if not path.is_file():
            raise SafeStatsError(f"There is no file {path}: name the certificate and its key in PEM form.")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise SafeStatsError(
            f"{certificate} and {key} are not a certificate and its private key in PEM form, or do not belong together."
        ) from error


def main() -> None:
    """Run a command; trouble that the user can act on is one sentence on stderr and status 1."""
    # Nobody else on this machine reads what the server writes.
    os.umask(0o077)
    try:
        app()
    except ValidationError as error:
        first = error.errors()[0]
        name = "SAFESTATS_" + "_".join(str(part) for part in first["loc"]).upper()
        print(printable(f"safestats: {name} is “{first['input']}”: {first['msg']}."), file=sys.stderr)
        sys.exit(1)
    except TOLD as error:
        print(printable(f"safestats: {error}"), file=sys.stderr)
        sys.exit(1)
    except (OperationalError, OSError) as error:
        if not is_disk_full(error):
            raise
        folder = Settings().data_dir
        print(printable(f"safestats: {disk_full_sentence(folder)}"), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
