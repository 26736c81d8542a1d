"""Mappings: how a supplier's site fills in its files, edited beside the first rows as they would be taken.

The rows of a chosen file are screened, then travel in the page itself: the server keeps nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping as Lookup
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from fastapi import Response

from ..datasets.definitions import DatasetDefinition, DefinitionError
from ..errors import SafeStatsError
from ..identity.permissions import Permission
from ..ingest import saved_mappings
from ..ingest.drafts import MappingDraft
from ..ingest.mappings import DateOrder, Mapping, check_mapping, read_mappings
from ..ingest.preview import Preview, Sample, preview, take_sample
from ..ingest.source import SourceFile
from ..instants import london_today
from .choices import dataset_options, organisation_options, title_of
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .site import words
from .sites import sites_to_choose
from .visits import Visit, gone

MOST_FILE_BYTES = 30_000_000
_ORDERS = (
    (DateOrder.AUTO, "As its own dates show"),
    (DateOrder.DMY, "Day, month, year"),
    (DateOrder.MDY, "Month, day, year"),
)

router = console_router()


@router.get("/mappings")
def mappings_page(visit: MemberDep, dataset: str = "", site: str = "") -> Response:
    """The saved mappings, and a form to begin with another."""
    visit.require(Permission.MANAGE_RELEASES)
    with visit.services.database.read() as session:
        saved = saved_mappings.versions(session)
        newest = {(one.organisation_id, one.dataset, one.site): one for one in reversed(saved)}
        return visit.page(
            "mappings.html",
            form=Form(defaults={"dataset": dataset, "site": site}),
            saved=sorted(newest.values(), key=lambda one: (one.dataset, one.site)),
            titles={one.dataset: title_of(visit, one.dataset) for one in saved},
            organisations=organisation_options(session),
            datasets=dataset_options(visit),
            sites=sites_to_choose(visit, session, site),
        )


@router.get("/mappings/edit")
def edit_page(visit: MemberDep, organisation: str = "", dataset: str = "", site: str = "") -> Response:
    """The form of one site's mapping."""
    definition = _definition(visit, dataset)
    draft = _saved_draft(visit, organisation, definition, site.strip())
    return _page(visit, Form(), organisation, definition, draft)


@router.post("/mappings/edit")
def edit(visit: MemberDep, form: PostedDep) -> Response:
    """Preview the rows under what was chosen, or save it."""
    definition = _definition(visit, form.text("dataset"))
    organisation, site = form.text("organisation"), form.text("site")
    supplied = _supplied(visit, definition)
    before = _saved_draft(visit, organisation, definition, site)
    sample, draft = None, MappingDraft.of(form.text("chosen"), definition.code, site) or before
    with form.telling("file"):
        sample = Sample.of_text(form.text("sample")) if form.text("sample") else None
        draft = _posted_draft(form, draft, sample, _target_titles(definition, supplied))
        name, data = form.upload("file")
        if data:
            if len(data) > MOST_FILE_BYTES:
                raise SafeStatsError(f"A file to preview has at most {MOST_FILE_BYTES // 1_000_000} MB: cut it.")
            source = SourceFile.of(Path(PurePath(name).name), data)
            sample = take_sample(source, definition, supplied, _mapping(visit, definition, draft, supplied))
    if form.text("act") == "save" and not form.errors:
        with form.telling("save"):
            return _save(visit, organisation, definition, site, draft.document())
    return _page(visit, form, organisation, definition, draft, sample)


@router.post("/mappings/again")
def use_again(visit: MemberDep, form: PostedDep) -> Response:
    """Make an earlier version the newest."""
    definition = _definition(visit, form.text("dataset"))
    organisation, site, version = form.text("organisation"), form.text("site"), form.text("version")
    number = int(version) if version.isdecimal() and len(version) < 6 else 0
    with visit.services.database.read() as session:
        earlier = saved_mappings.find(session, organisation, definition.code, site, number)
        if earlier is None:
            raise gone()
    return _save(visit, organisation, definition, site, earlier.document)


def _save(visit: Visit, organisation: str, definition: DatasetDefinition, site: str, document: str) -> Response:
    with visit.services.database.read() as session:
        last = saved_mappings.find(session, organisation, definition.code, site)
    actor = visit.who.user_id
    version = saved_mappings.save(visit.services, actor, organisation, definition.code, site, document)
    if last is not None and last.version == version:
        return visit.go("/mappings", f"Nothing is changed: version {version} says the same.")
    return visit.go("/mappings", f"Version {version} is saved. It counts from the next load on.")


def _page(
    visit: Visit,
    form: Form,
    organisation: str,
    definition: DatasetDefinition,
    draft: MappingDraft,
    sample: Sample | None = None,
) -> Response:
    supplied = _supplied(visit, definition)
    shown: Preview | None = None
    mapping: Mapping | None = None
    if sample is not None:
        with form.telling("preview"):
            mapping = _mapping(visit, definition, draft, supplied)
            shown = preview(visit.services, definition, sample, supplied, mapping, draft.site, london_today())
    based = [one for one in supplied if one.code == draft.based_on]
    titles = _target_titles(definition, based)
    with visit.services.database.read() as session:
        versions = [
            one
            for one in saved_mappings.versions(session, definition.code)
            if (one.organisation.code, one.site) == (organisation, draft.site)
        ]
    return visit.page(
        "mapping.html",
        form=form,
        organisation=organisation,
        dataset=definition.code,
        title=definition.title,
        draft=draft,
        chosen=draft.document(),
        bases=[(one.code, one.title) for one in supplied],
        orders=[(str(order), words) for order, words in _ORDERS],
        titles=titles,
        needed={source.target for one in based for source in one.sources if source.required},
        # What was chosen stays chosen where it cannot be.
        posted={at: form.text(f"target_{at}") for at in _shown_columns(form, sample)} if form.errors else {},
        versions=versions,
        sample=sample.to_text() if sample else "",
        preview=shown,
        codes={field.name: list(field.codes.items()) for field in definition.fields if field.codes},
    )


def _definition(visit: Visit, dataset: str) -> DatasetDefinition:
    visit.require(Permission.MANAGE_RELEASES)
    if dataset not in visit.services.definitions:
        raise gone()
    return visit.services.definitions[dataset]


def _supplied(visit: Visit, definition: DatasetDefinition) -> list[Mapping]:
    folder = visit.services.settings.resources_dir / "mappings"
    return [one for one in read_mappings(folder, visit.services.definitions) if definition.code in one.datasets]


def _saved_draft(visit: Visit, organisation: str, definition: DatasetDefinition, site: str) -> MappingDraft:
    """What is saved, else an empty one on the first mapping that comes with SafeStats."""
    with visit.services.database.read() as session:
        if organisation not in dict(organisation_options(session)):
            raise gone()
        saved = saved_mappings.find(session, organisation, definition.code, site)
        document = saved.document if saved else ""
    supplied = _supplied(visit, definition)
    if document:
        draft = MappingDraft.of(document, definition.code, site)
        if draft is None:
            raise SafeStatsError(
                "This mapping says more than the page can: change it with “safestats mapping show” and “save”."
            )
        return draft
    if not supplied:
        raise SafeStatsError(
            "No mapping comes with SafeStats for this dataset: save one with “safestats mapping save”."
        )
    return MappingDraft(definition.code, site, supplied[0].code)


def _target_titles(definition: DatasetDefinition, mappings: Sequence[Mapping]) -> dict[str, str]:
    """What each target is called here, with the header that refusals name it by; in the order of the titles."""
    fields = {field.name: field.alias for field in definition.fields}
    found = {
        source.target: f"{fields.get(source.target) or words(source.target)} ({source.headers[0]})"
        for one in mappings
        for source in one.sources
    }
    return dict(sorted(found.items(), key=lambda entry: entry[1].casefold()))


def _posted_draft(form: Form, before: MappingDraft, sample: Sample | None, titles: Lookup[str, str]) -> MappingDraft:
    """The draft with what was typed and chosen."""
    row = form.text("header_row")
    if row and not (row.isdecimal() and len(row) < 4):
        raise SafeStatsError("The header's row is a number, counted from the top of the sheet.")
    order = form.text("date_order")
    draft = replace(
        before,
        based_on=form.text("based_on") or before.based_on,
        sheet=form.text("sheet"),
        header_row=int(row or 0),
        date_order=DateOrder(order) if order in set(DateOrder) else DateOrder.AUTO,
    )
    if sample is None:
        return draft
    columns, nowhere = _posted_columns(form, before, sample, titles)
    codes = {name: dict(values) for name, values in before.codes.items()}
    for number in range(200):
        name, text, code = (form.text(f"{part}_{number}") for part in ("coded", "value", "code"))
        if name and text and code:
            codes.setdefault(name, {})[text] = code
    return replace(draft, columns=columns, codes=codes, nowhere=nowhere)


def _posted_columns(
    form: Form, before: MappingDraft, sample: Sample, titles: Lookup[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Target → header as they were chosen, beside those of headers that the page did not show, and the headers that
    are to lead nowhere though something is known of them. Raises ``SafeStatsError`` where two lead to one target."""
    asked = {sample.table.header[at]: at for at in _shown_columns(form, sample)}
    columns = {target: header for target, header in before.columns.items() if header not in asked}
    nowhere = [header for header in before.nowhere if header not in asked]
    taken: set[str] = set()
    for header, at in asked.items():
        chosen, led = form.text(f"target_{at}"), form.text(f"led_{at}")
        if chosen in taken:
            raise SafeStatsError(f"Two columns lead to {titles.get(chosen, chosen)}: choose one of them.")
        if not chosen:
            if led or header in before.nowhere:
                nowhere.append(header)
            continue
        taken.add(chosen)
        # What the base says already need not be said again.
        if chosen != led or before.columns.get(chosen) == header:
            columns[chosen] = header
    return columns, tuple(nowhere)


def _shown_columns(form: Form, sample: Sample | None) -> list[int]:
    """The columns of which the page that was sent asked where they lead."""
    header = sample.table.header if sample is not None else []
    return [at for at, text in enumerate(header) if text.strip() and f"target_{at}" in form.data]


def _mapping(visit: Visit, definition: DatasetDefinition, draft: MappingDraft, supplied: list[Mapping]) -> Mapping:
    try:
        mapping = saved_mappings.parsed(visit.services, draft.document(), "This mapping", supplied)
        check_mapping(mapping, definition, "This mapping")
    except DefinitionError as error:
        raise SafeStatsError(str(error)) from error
    return mapping
