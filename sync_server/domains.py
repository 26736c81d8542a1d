"""The commands of the domains, each imported when one of its commands is typed: a command need not wait for all."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

# Whose commands these are. What is not here is found too, when all have been imported.
DOMAIN_OF = {
    "org": "identity",
    "user": "identity",
    "conditions": "identity",
    "key": "identity",
    "decision": "identity",
    "agreement": "agreements",
    "terms": "agreements",
    "areas": "datasets",
    "gazetteer": "geocoding",
    "hospitals": "geocoding",
    "review": "geocoding",
    "geocode": "geocoding",
    "load": "ingest",
    "migrate": "migration",
    "mapping": "ingest",
    "publish": "publishing",
    "rollback": "publishing",
    "discard": "publishing",
    "jobs": "publishing",
    "worker": "publishing",
    "collect": "publishing",
    "status": "publishing",
    "releases": "publishing",
    "recall": "recall",
    "recalls": "recall",
    "retention": "recall",
    "quality": "quality",
    "denominators": "needs",
    "needs-pack": "needs",
    "audit": "audit",
    "oversight": "oversight",
    "sample-data": "sample",
    "doctor": "doctor",
    "basemap": "house_style",
    "watch": "supplies",
    "check": "screening",
    "template": "screening",
}


class Domains(TyperGroup):
    """A group that has, beside its own commands, those of every domain's ``commands`` module."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands, the group's own first."""
        return [*super().list_commands(ctx), *(name for domain in domains() for name in _commands(domain))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, if there is one."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        likely = DOMAIN_OF.get(cmd_name)
        for domain in [likely] if likely else domains():
            if cmd_name in (commands := _commands(domain)):
                return commands[cmd_name]
        return None


def domains() -> list[str]:
    """The domains that have commands, in the order of their life."""
    there = {path.parent.name for path in Path(__file__).parent.glob("*/commands.py")}
    return sorted(there, key=lambda name: (list(DOMAIN_OF.values()) + [name]).index(name))


def _commands(domain: str) -> Mapping[str, Any]:
    app = import_module(f".{domain}.commands", __package__).commands
    return typer.main.get_group(app).commands
