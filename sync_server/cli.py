"""``safestats``: everything that the SafeStats team does on the server."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from sqlalchemy import inspect, select
from sqlalchemy.exc import OperationalError

from ..shared.areas import BOUNDARIES_FILE
from .command_line import initialised, printable
from .database import CannotLoadSpatialiteError, is_busy, is_out_of_reach
from .datasets.definitions import DefinitionError
from .domains import Domains
from .errors import SafeStatsError, disk_full_sentence, is_disk_full
from .ingest.models import Delivery
from .keys import KeysError
from .problems import Problem
from .recall.heeding import refuse_unheeded, unheeded
from .schema import prepare_database
from .services import open_database, open_services
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

    settings = Settings()
    _refuse_lost_keys(settings)
    services = open_services(settings, Part.OWNER)
    try:
        prepare_database(services.database, services.settings, services.definitions)
        resources = services.settings.resources_dir
        with services.database.write() as session:
            edition = load_supplied_areas(session, resources / BOUNDARIES_FILE)
            version = publish_supplied_conditions(session, services.audit, resources / "conditions")
        typer.echo(f"The server's folder {services.settings.data_dir} is ready: areas {edition}, conditions {version}.")
    finally:
        services.close()


def _refuse_lost_keys(settings: Settings) -> None:
    """Raises ``SafeStatsError`` where incidents are held elsewhere and the keys that name them are not here."""
    if settings.embedded or settings.keys_path.exists():
        return
    database = open_database(settings, Part.OWNER)
    try:
        with database.read() as session:
            if inspect(session.connection()).has_table("delivery") and session.scalar(select(Delivery.delivery_id)):
                raise SafeStatsError(
                    f"The database holds incidents and {settings.keys_path} is missing: restore it from its backup, "
                    "or name the server's folder in SAFESTATS_DATA_DIR. Other keys would make every incident a new one."
                )
    finally:
        database.engine.dispose()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 0,
    certificate: Annotated[Path | None, typer.Option(help="TLS certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
) -> None:
    """Serve the API until interrupted, with a publishing worker beside it.

    Without the publisher's address of PostgreSQL it starts no worker: run “safestats worker” as another service.
    """
    from granian import Granian
    from granian.constants import Interfaces

    from .asgi import application
    from .publishing.supervisor import WorkerProcess

    _check_tls(certificate, key)
    # Trouble is told here, in a sentence, not by a worker that is started again and again.
    with initialised(Part.APPLICATION) as services:
        settings = services.settings
        with services.database.read() as session:
            heeds = not unheeded(services, session)
    if not heeds and (settings.embedded or settings.publisher_url):
        _heed_recalls()
    address, number = host or settings.host, port or settings.port
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
        respawn_failed_workers=True,  # one that dies again within seconds ends the server, for who supervises it
        ssl_cert=certificate,
        ssl_key=key,
    )
    with WorkerProcess() if settings.embedded or settings.publisher_url else nullcontext():
        server.serve(target_loader=application, wrap_loader=False)  # a name would be looked for in the working folder


def _heed_recalls() -> None:
    """Hold a database that was restored to the list of recalls, before anybody is served."""
    from .recall.watching import see_to_recalls

    typer.echo("This database is older than the newest recalls: they are carried out first.")
    with initialised() as services:
        see_to_recalls(services)
        with services.database.read() as session:
            refuse_unheeded(services, session)


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
        # Addresses and passwords are not shown.
        told = "not valid" if name.endswith(("_URL", "_PASSWORD")) else f"“{first['input']}”"
        print(printable(f"safestats: {name} is {told}: {first['msg']}."), file=sys.stderr)
        sys.exit(1)
    except TOLD as error:
        print(printable(f"safestats: {error}"), file=sys.stderr)
        sys.exit(1)
    except (OperationalError, OSError) as error:
        if is_disk_full(error):
            told = disk_full_sentence(Settings().data_dir)
        elif is_out_of_reach(error):
            told = "The database does not answer: “safestats doctor” says what is wrong."
        elif isinstance(error, OperationalError) and is_busy(error):
            told = "Another command or load holds the database: try again when it is through."
        else:
            raise
        print(printable(f"safestats: {told}"), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
