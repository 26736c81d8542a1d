"""What is audited: the closed list of events, who records each, and what the members of its ``filter`` mean.

A new event is one line here; nothing else may be recorded. ``safestats audit events`` prints the list.
"""

from __future__ import annotations

from enum import StrEnum

COMMAND_LINE = "command-line"  # the actor of what is done on the server's own command line
WORKER = "worker"  # the actor of what the server does by itself


class Recorder(StrEnum):
    """Whose word an event is."""

    SERVER = "server"  # by a request that the server itself answers
    TEAM = "team"  # by the command line or the console, where somebody changes something
    DESK = "desk"  # told afterwards by the plugin, at the plugin's time (``reported_at``)


class EventType(StrEnum):
    """Whatever touches data or rights."""

    recorder: Recorder
    meaning: str
    members: dict[str, str]

    def __new__(
        cls,
        value: str,
        recorder: Recorder = Recorder.SERVER,
        meaning: str = "",
        members: dict[str, str] | None = None,
    ) -> EventType:
        """The member with what is told of it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.recorder = recorder
        member.meaning = meaning
        member.members = members or {}
        return member

    # Sessions
    SIGN_IN = "session.sign-in", Recorder.SERVER, "A person signed in, or was refused", {"address": "where from"}
    SECOND_FACTOR = "session.second-factor", Recorder.SERVER, "A second factor was given, or was wrong"
    SECOND_FACTOR_ENROLLED = "session.enrolment", Recorder.SERVER, "A person set up a second factor"
    RECOVERY_CODES = "session.recovery-codes", Recorder.SERVER, "Recovery codes were made anew, or refused"
    CONDITIONS_ACCEPTED = (
        "session.accept",
        Recorder.SERVER,
        "The conditions of use were accepted and a purpose was chosen, or the purpose was refused",
    )
    CONDITIONS_DECLINED = "session.decline", Recorder.SERVER, "The conditions of use were declined"
    PURPOSE_CHANGED = "session.purpose", Recorder.SERVER, "Another purpose was chosen within a session"
    PURPOSE_REQUESTED = "purpose.request", Recorder.SERVER, "A purpose of one's own was put to the SafeStats team"
    PURPOSE_DECIDED = "purpose.decide", Recorder.TEAM, "A requested purpose was approved or refused"
    SIGN_OUT = "session.sign-out", Recorder.SERVER, "A person signed out"
    SESSIONS_ENDED = "session.end", Recorder.SERVER, "Sessions were ended from elsewhere", {"sessions": "which"}
    SESSION_THROTTLED = (
        "session.throttle",
        Recorder.SERVER,
        "A session asked so often that it was made to wait: recorded once a minute",
        {"event": "what it asked for when it was stopped"},
    )

    ACCESS_REFUSED = (
        "access.refused",
        Recorder.SERVER,
        "A page or an address was refused to a role or to a session that may not work yet or any more, or a form was "
        "not ours: recorded once a minute for a session, a reason and a path",
        {"path": "the page or address, without what was typed"},
    )
    ACCESS_EXPLAINED = (
        "access.explain",
        Recorder.TEAM,
        "Somebody looked up what a person sees of a dataset, and why",
        {
            "user": "the person, by opaque id",
            "use": "that was asked about",
            "rows_counted": "whether rows were counted",
        },
    )

    # Use of the data
    LAYERS_LISTED = "layers.list", Recorder.SERVER, "The list of layers was read", {"permitted": "datasets permitted"}
    LAYER_DESCRIBED = "layer.describe", Recorder.SERVER, "The properties and the extent of a layer were read online"
    LAYER_MANIFEST = "layer.manifest", Recorder.SERVER, "A layer's manifest was read", {"release": "number"}
    LAYER_PULL = (
        "layer.pull",
        Recorder.SERVER,
        "Files of a layer were asked for: recorded before the first byte leaves, once for a pull",
        {"release": "number", "pull": "the pull's id", "artefact": "the file, outside a pull"},
    )
    ITEMS_READ = "items.read", Recorder.SERVER, "Rows were read online; the event's rows tell how many"
    FACETS_READ = "facets.read", Recorder.SERVER, "Counts by category were read online", {"by": "the field"}
    PACK_MADE = (
        "pack.make",
        Recorder.SERVER,
        "A monthly pack of masked counts was made for an organisation, under its agreement, or was refused",
        {"pack": "monthly or borough", "month": "of the pack", "area": "the borough's code", "format": "of the file"},
    )
    NEEDS_PACK_MADE = (
        "needs.make",
        Recorder.SERVER,
        "A needs-assessment pack of a borough was made, an event for each dataset in it, or was refused",
        {
            "area": "the borough's code",
            "mode": "operational or public",
            "pack": "the same in all events of one pack",
            "files": "SHA-256 of what left, by name",
        },
    )
    NEEDS_PACK_FETCHED = (
        "needs.fetch",
        Recorder.SERVER,
        "A file of a needs-assessment pack that was made before was fetched by who asked for it, or was refused",
        {
            "area": "the borough's code",
            "mode": "operational or public",
            "file": "its name",
            "sha256": "of what left",
        },
    )
    DELIVERY_ENDED = (
        "delivery.end",
        Recorder.SERVER,
        "How sending went that was recorded before: completed, or broken off",
        {"part": "the file", "bytes": "how many left"},
    )
    POSTCODE_LOOKUP = "postcode.lookup", Recorder.SERVER, "A postcode was looked up", {"postcode": "if it is one"}
    PROXIMITY_COUNTED = "proximity.count", Recorder.SERVER, "Incidents were counted around a place, online"
    BOROUGHS_COUNTED = (
        "boroughs.count",
        Recorder.SERVER,
        "Incidents of whole boroughs and of London were counted online, perturbed",
        {"from_month": "of the year asked for", "to_month": "likewise; both empty: the newest"},
    )
    PLACE_CHECKED = (
        "check.answer",
        Recorder.SERVER,
        "What happened around a place was told on a page: an event for each dataset, or for a refusal",
        {"preset": "of what was asked", "radii": "in metres", "sha256": "of all that was told"},
    )
    CHECK_REPORTED = (
        "check.report",
        Recorder.SERVER,
        "A report on a place was made as a PDF: an event for each dataset in it",
        {"kind": "operational or public", "sha256": "of the file"},
    )
    CHECK_LISTED = (
        "check.list",
        Recorder.SERVER,
        "The incidents around a place were listed one by one; the event's rows tell how many",
        {"radii": "in metres", "sha256": "of all that was told"},
    )
    CHECK_BATCH = (
        "check.batch",
        Recorder.SERVER,
        "A list of premises was answered, or a file of it was fetched; the event's rows tell how many premises",
        {"batch": "its number", "file": "which was fetched", "sha256": "of the file"},
    )
    PROXIMITY_SEARCH = "proximity.search", Recorder.DESK, "A search around a place was made on a pulled copy"
    HOTSPOT_RUN = "hotspot.run", Recorder.DESK, "Hotspots were made from a pulled copy"
    MAP_EXPORT = (
        "map.export",
        Recorder.DESK,
        "A page was exported: an event for each dataset on it",
        {"formats": "of the files", "page_id": "the same in all events of one page"},
    )
    LAYER_OPENED = "layer.opened", Recorder.DESK, "A pulled copy was opened as a layer"
    EXPLORED = "explore.run", Recorder.DESK, "A pulled copy was counted by area, category and month"
    TIME_CHARTS = "time.charts", Recorder.DESK, "A pulled copy was counted by hour, day, month, category and borough"
    TABLE_EXPORT = (
        "table.export",
        Recorder.DESK,
        "Counts of a pulled copy were exported as a table",
        {"format": "of the file"},
    )
    NOTE_REFUSED = (
        "note.refused",
        Recorder.DESK,
        "A desk's note of what was done was no valid event: its beginning stands here; it counts in no figure of use",
        {"note": "the beginning of its text", "why": "it was refused, in the server's words"},
    )
    QUERY_SAVED = (
        "query.save",
        Recorder.SERVER,
        "A query was kept, changed or shared, or refused",
        {"query": "its id, empty where a new one was refused", "shared": "with the organisation"},
    )
    QUERY_OPENED = (
        "query.open",
        Recorder.SERVER,
        "What a query asks was told, or refused to somebody who may not run it",
        {"query": "its id"},
    )
    QUERY_REMOVED = (
        "query.remove",
        Recorder.SERVER,
        "A query was deleted, or that was refused",
        {"query": "its id", "owner": "whose it was, if they have left: the administrator or the worker deleted it"},
    )

    CASE_STUDY_WRITTEN = (
        "case-study.write",
        Recorder.TEAM,
        "A case study was sent in, or sent in anew, to be approved",
        {"study": "its number", "version": "of its text", "state": "it waits", "sha256": "of its text"},
    )
    CASE_STUDY_DECIDED = (
        "case-study.decide",
        Recorder.TEAM,
        "A case study was approved for everybody who is signed in, returned to its author, or withdrawn",
        {"study": "its number", "version": "of its text", "state": "that it has now", "sha256": "of its text"},
    )

    # Data coming in
    MIGRATION_RUN = (
        "migration.run",
        Recorder.TEAM,
        "A plan to move a back-catalogue in was begun or taken up again",
        {"plan": "its name", "sha256": "of the plan's file"},
    )
    MIGRATION_COMPARED = (
        "migration.compare",
        Recorder.TEAM,
        "All rows of datasets were counted by month and borough, to be compared with a former portal's counts",
        {"plan": "its name", "datasets": "which"},
    )
    SUPPLIES_READ = (
        "supplies.read",
        Recorder.SERVER,
        "A supplier looked at its own deliveries, or at the receipt of one",
        {"site": "of which", "receipt": "its number"},
    )
    SUPPLY_RECEIVED = (
        "supply.receive",
        Recorder.SERVER,
        "A supplier’s files, records or return of no incidents came in, or were refused at the door",
        {"receipt": "its number", "door": "which", "kind": "of what", "site": "of which"},
    )
    SUPPLY_ENDED = (
        "supply.end",
        Recorder.SERVER,
        "What came in was loaded, or refused; the event's rows tell how many were accepted",
        {"receipt": "its number", "site": "of which"},
    )
    SUPPLY_CHECKED = (
        "supply.check",
        Recorder.SERVER,
        "A supplier had files checked, of which nothing was kept",
        {"site": "of which", "taken": "whether a load would take them"},
    )
    DATASET_LOADED = (
        "dataset.load",
        Recorder.TEAM,
        "Files were loaded",
        {"files": "their SHA-256", "months": "that they speak of"},
    )
    UPLOAD_RECEIVED = (
        "upload.receive",
        Recorder.TEAM,
        "Files were sent to be loaded by a job",
        {"upload": "its number", "site": "of which", "files": "their SHA-256"},
    )
    UPLOAD_ENDED = (
        "upload.end",
        Recorder.TEAM,
        "The load of files that were sent ended; refused where it failed or was cancelled",
        {"upload": "its number", "state": "how it ended"},
    )
    CARD_MADE = (
        "card.make",
        Recorder.TEAM,
        "A supplier's feedback card on the quality of a month was made",
        {"site": "of which", "month": "which", "format": "of the file"},
    )
    MAPPING_SAVED = (
        "mapping.save",
        Recorder.TEAM,
        "How a supplier's files are read was saved",
        {"site": "of which", "version": "the mapping's"},
    )
    DATASET_PUBLISHED = "dataset.publish", Recorder.TEAM, "A release became visible", {"release": "number"}
    DATASET_ROLLED_BACK = "dataset.rollback", Recorder.TEAM, "A release was taken back"
    RECALL_ASKED = (
        "recall.ask",
        Recorder.TEAM,
        "Incidents are to be withdrawn for good; the event's rows tell how many",
        {"recall": "its id", "kind": "a release, rows, or retention", "release": "number", "months": "that it touches"},
    )
    RECALL_DONE = (
        "recall.done",
        Recorder.TEAM,
        "Incidents are withdrawn for good: no table, published file or file of the database holds them",
        {"recall": "its id", "release": "the new one without them"},
    )
    RECALL_READ = "recall.read", Recorder.TEAM, "It was looked up who held what was recalled", {"recall": "its id"}
    DATASET_DISCARDED = "dataset.discard", Recorder.TEAM, "A staged release was thrown away"
    SERVER_EXAMINED = "server.examine", Recorder.TEAM, "“safestats doctor” tried whether the audit can be written"
    DENOMINATORS_LOADED = (
        "denominators.load",
        Recorder.TEAM,
        "Residents, workday population or licensed premises by area were loaded",
        {"editions": "kinds and editions", "sha256": "of the file"},
    )
    AREAS_LOADED = "areas.load", Recorder.TEAM, "An edition of boundaries was loaded"
    GAZETTEER_LOADED = "gazetteer.load", Recorder.TEAM, "An edition of the gazetteer was loaded"
    PLACES_AGAIN = "places.again", Recorder.TEAM, "Rows were placed anew, as was decided on their descriptions"
    PLACE_DECIDED = "place.decide", Recorder.TEAM, "It was decided what a description of a place means"

    # Organisations and people
    ORGANISATION_ADDED = "organisation.add", Recorder.TEAM, "An organisation was added"
    ORGANISATION_CHANGED = "organisation.change", Recorder.TEAM, "An organisation's entry was changed"
    USER_INVITED = "user.invite", Recorder.TEAM, "A person was sent a link to open an account", {"user": "opaque id"}
    USER_ADDED = "user.add", Recorder.TEAM, "An account was opened", {"user": "opaque id"}
    USER_CHANGED = "user.change", Recorder.TEAM, "A person's role or name was changed", {"user": "opaque id"}
    USER_PASSWORD = "user.password", Recorder.TEAM, "A password was set", {"user": "opaque id"}
    USER_PASSWORD_CHANGED = "user.password-change", Recorder.SERVER, "A person changed the own password"
    USER_RESET_ASKED = "user.reset", Recorder.SERVER, "A link to set a new password was asked for"
    USER_SECOND_FACTOR_RESET = "user.second-factor", Recorder.TEAM, "A second factor was removed", {"user": "opaque id"}
    USER_DEACTIVATED = "user.deactivate", Recorder.TEAM, "An account was closed", {"user": "opaque id"}
    USER_REACTIVATED = "user.reactivate", Recorder.TEAM, "A closed account was opened again", {"user": "opaque id"}
    LINK_USED = "link.use", Recorder.SERVER, "A link of an invitation or a reset was used, or refused"
    MACHINE_KEY_ADDED = "key.add", Recorder.TEAM, "A supplier's machine got a key", {"key": "its id"}
    MACHINE_KEY_REVOKED = "key.revoke", Recorder.TEAM, "A supplier's machine key was revoked", {"key": "its id"}

    # Rights
    AGREEMENT_ADDED = "agreement.add", Recorder.TEAM, "An agreement was drafted"
    AGREEMENT_CHANGED = "agreement.change", Recorder.TEAM, "An agreement was amended"
    AGREEMENT_GRANTED = "agreement.grant", Recorder.TEAM, "A grant was added to an agreement, moved or removed"
    AGREEMENT_DOCUMENT = "agreement.document", Recorder.TEAM, "A signed document was attached", {"sha256": "of it"}
    AGREEMENT_DOCUMENT_READ = "agreement.document-read", Recorder.SERVER, "A signed document was read"
    AGREEMENT_SIGNED = "agreement.sign", Recorder.TEAM, "An agreement was signed"
    AGREEMENT_ACTIVATED = "agreement.activate", Recorder.TEAM, "An agreement came into force, or was refused it"
    AGREEMENT_SUSPENDED = "agreement.suspend", Recorder.TEAM, "An agreement was suspended"
    AGREEMENT_RESUMED = "agreement.resume", Recorder.TEAM, "A suspended agreement came into force again"
    AGREEMENT_ENDED = "agreement.end", Recorder.TEAM, "An agreement was ended"
    TERMS_SET = "terms.set", Recorder.TEAM, "A supplier's terms were set"
    CONDITIONS_PUBLISHED = "conditions.publish", Recorder.TEAM, "Conditions of use were published"
    STEERING_DECISION = "steering.decide", Recorder.TEAM, "A decision of the Steering Group was recorded"

    # The audit itself
    AUDIT_SEARCHED = (
        "audit.search",
        Recorder.TEAM,
        "The audit was searched",
        {"criteria": "by what", "before": "older than the event of this number"},
    )
    AUDIT_EXPORTED = (
        "audit.export",
        Recorder.TEAM,
        "Events were written to files",
        {"first": "number", "last": "number", "sha256": "of the events' file"},
    )
    NOTES_ACKNOWLEDGED = (
        "audit.notes-acknowledge",
        Recorder.TEAM,
        "Whoever reads the audit took note of the notes of desks that were refused",
        {"until": "the number of the newest of them that was shown"},
    )
    AUDIT_KEY = (
        "audit.key",
        Recorder.TEAM,
        "Seals are signed by this key from now on",
        {"key": "its id", "public_key": "in hexadecimal digits"},
    )
    AUDIT_RETENTION = (
        "audit.retention",
        Recorder.TEAM,
        "Sealed batches were archived, to be removed",
        {"until": "the last event's number", "seals": "of which batches", "sha256": "of the archive"},
    )
    REPORT_MADE = "report.make", Recorder.TEAM, "A report on the use of the data was made", {"report": "which"}


class Outcome(StrEnum):
    """How it went."""

    OK = "ok"
    REFUSED = "refused"
    BROKEN_OFF = "broken-off"  # of a delivery: not every byte left
