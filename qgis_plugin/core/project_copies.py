"""The local copies that the project shows: opened, renewed and closed with their rights and whoever else changes them.

What copies there are on the disk is ``local_store``'s; who is signed in, the desk's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from qgis.core import QgsMapLayer, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal
from qgis.PyQt.QtXml import QDomElement

from . import layers
from .copy_watch import CopyWatch, Home
from .housekeeping import Housekeeper
from .local_store import AccountStore, LocalCopy, LocalStore
from .result_layers import close_rows
from .run_record import LayerName
from .saved_projects import SavedProjects, is_stand_in
from .shown_copies import ShownCopies
from .written_projects import clean_file, clean_unpacked, was_filtered, write_unfiltered


class ProjectCopies(QObject):
    """``unlocked(key)`` tells whether the copies of the account with this key may be shown now.

    ``layer_opened(QgsVectorLayer)``: an open layer shows another copy.
    ``opened_again(LocalCopy)``: a copy is shown that the project was saved with.
    ``changed_elsewhere(account's key, dataset)``: another QGIS made, renewed or removed that copy; the layers followed.
    ``told(str)``: a sentence about layers in the project that nobody asked for just now.
    """

    layer_opened = pyqtSignal(QgsVectorLayer)
    opened_again = pyqtSignal(object)
    changed_elsewhere = pyqtSignal(str, str)
    told = pyqtSignal(str)

    def __init__(
        self,
        project: QgsProject,
        store: LocalStore,
        watch: CopyWatch,
        shown: ShownCopies,
        housekeeper: Housekeeper,
        unlocked: Callable[[str], bool],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._project = project
        self._store = store
        self._watch = watch
        self._shown = shown
        self._housekeeper = housekeeper
        self._unlocked = unlocked
        self._saved = SavedProjects(store, unlocked)
        self._opened_for = ""  # the account whose closed layers have been opened
        self._unfiltered: list[str] = []  # names of layers in the project that is being read
        self._saved.install()
        self._shown_soon = QTimer(self)
        self._shown_soon.setSingleShot(True)
        self._shown_soon.timeout.connect(self._note_shown)
        self._packed_soon = QTimer(self)
        self._packed_soon.setSingleShot(True)
        self._packed_soon.timeout.connect(self._look_at_packed)
        watch.changed.connect(self._copy_changed)
        project.layersAdded.connect(self._layers_changed)
        project.layersRemoved.connect(self._layers_changed)
        project.readProject.connect(self._project_read)
        project.writeMapLayer.connect(write_unfiltered)
        project.projectSaved.connect(self._project_saved)
        project.readMapLayer.connect(self._layer_read)

    def open(self, home: Home, copy: LocalCopy) -> QgsVectorLayer:
        """Open the copy in the project, or find it there."""
        layer = layers.open_copy(self._project, copy)
        self._watch.watch(home, copy)
        return layer

    def renewed(self, home: Home, copy: LocalCopy) -> None:
        """The layers of ``home`` show ``copy`` from now on, and former copies go."""
        account, dataset = home
        self._watch.watch(home, copy)
        for layer in layers.renew(self._project, copy):
            self.layer_opened.emit(layer)
        self._note_shown()
        self._shown.discard_superseded(self._store.account_of_key(account), dataset)

    def close(self, account: str, datasets: Sequence[str]) -> list[str]:
        """Take what shows these copies out of the project; they are not here any more. What the layers were called."""
        names = []
        for dataset in datasets:
            names += self._close(account, dataset)
            self._watch.watch((account, dataset), None)
        self._note_shown()
        return names

    def close_all(self) -> None:
        """Take out of the project every copy, and every result that holds single incidents of one."""
        layers.close_layers(self._project)
        close_rows(self._project, self._is_ours)

    def open_waiting(self, account: str) -> None:
        """Open what a project had of the copies of ``account``, if it is unlocked now and was not before."""
        if not self._unlocked(account):
            self._opened_for = ""
            return
        if self._opened_for == account:
            return
        self._opened_for = account
        waiting = {
            dataset
            for id_, (key, dataset) in layers.shown_copies(self._project).items()
            if key == account and is_stand_in(self._project.mapLayer(id_))
        }
        copies = self._store.account_of_key(account)

        def opened(found: list[LocalCopy]) -> None:
            if not self._unlocked(account):
                return
            for copy in found:
                self._watch.watch((account, copy.manifest.dataset), copy)
                for layer in layers.renew(self._project, copy):
                    self.layer_opened.emit(layer)
                self.opened_again.emit(copy)
            self._note_shown()

        if waiting:
            self._housekeeper.do(lambda: _valid(copies, waiting), opened)

    def shut(self) -> None:
        """Follow nothing any more."""
        self._project.layersAdded.disconnect(self._layers_changed)
        self._project.layersRemoved.disconnect(self._layers_changed)
        self._project.readProject.disconnect(self._project_read)
        self._project.writeMapLayer.disconnect(write_unfiltered)
        self._project.projectSaved.disconnect(self._project_saved)
        self._project.readMapLayer.disconnect(self._layer_read)
        self._shown_soon.stop()
        self._packed_soon.stop()
        self._saved.remove()
        self._watch.close()
        self._shown.close()

    # ------------------------------------------------------------------ inside

    def _close(self, account: str, dataset: str) -> list[str]:
        names = layers.close_copy(self._project, account, dataset)
        close_rows(self._project, lambda name: name.dataset == dataset and self._is_ours(name))
        return names

    def _is_ours(self, name: LayerName) -> bool:
        # A layer of somebody else's goes by its own name, for want of a dataset.
        known = any(name.dataset == dataset for _account, dataset in self._watch.known)
        return bool(name.dataset) and (known or name.dataset != name.title)

    def _layers_changed(self, _layers: object) -> None:
        self._shown_soon.start()

    def _note_shown(self) -> None:
        """Mark the files that the project shows, so that no other QGIS deletes them, then look whether one has gone."""
        self._shown_soon.stop()
        shown = layers.shown_copies(self._project)
        paths = set()
        for id_, home in shown.items():
            layer = self._project.mapLayer(id_)
            if not is_stand_in(layer):
                paths.add(layers.shown_path(layer))
            if home not in self._watch.known:
                self._watch.watch(home, None)
        self._shown.show(paths)
        if shown:
            self._watch.look()

    def _copy_changed(self, home: Home, copy: LocalCopy | None) -> None:
        """Another QGIS has made, renewed or removed a copy: the layers here follow."""
        account, dataset = home
        if copy is None:
            names = self._close(account, dataset)
            if names:
                self.told.emit(
                    self.tr("{layers}: another QGIS removed the local copy, so the layer was closed here too.").format(
                        layers=", ".join(names)
                    )
                )
        else:
            before = {id_: layers.shown_path(self._project.mapLayer(id_)) for id_ in layers.shown_copies(self._project)}
            for layer in layers.renew(self._project, copy):
                if before.get(layer.id()) != copy.path:
                    self.layer_opened.emit(layer)
        self._note_shown()
        self._shown.discard_superseded(self._store.account_of_key(account), dataset)
        self.changed_elsewhere.emit(account, dataset)

    def _project_saved(self) -> None:
        # QGIS says so before it packs a file, and nothing after: what it packed is looked at soon.
        path = self._project.absoluteFilePath()
        self._clean(path, clean_unpacked)
        self._clean(path, clean_file)
        self._packed_soon.start()

    def _look_at_packed(self) -> None:
        self._clean(self._project.absoluteFilePath(), clean_file)

    def _clean(self, path: str, act: Callable[[Path], None]) -> None:
        try:
            act(Path(path))
        except (OSError, ValueError) as error:
            self.told.emit(
                self.tr(
                    "{path}: a layout may still hold the filter of a layer, which tells days of incidents, and it "
                    "could not be taken out ({error}). Take the filter off, then save the project again."
                ).format(path=path, error=error)
            )

    def _layer_read(self, layer: QgsMapLayer, element: QDomElement) -> None:
        if was_filtered(element):
            self._unfiltered.append(layer.name())

    def _project_read(self) -> None:
        """Renew the facts of the layers that a project was saved with, and tell of those without a copy."""
        missing, locked = [], []
        for id_, (account, dataset) in layers.shown_copies(self._project).items():
            layer = self._project.mapLayer(id_)
            copy = self._saved.copy(account, dataset)
            if is_stand_in(layer):
                valid = copy is not None and not copy.lapsed(datetime.now(timezone.utc))
                (locked if valid and not self._unlocked(account) else missing).append(layer.name())
            elif copy is not None and layers.shown_path(layer) == copy.path:
                layers.describe(layer, copy.manifest)
        if locked:
            self.told.emit(self.tr("{layers}: closed until you sign in.").format(layers=", ".join(sorted(set(locked)))))
        if missing:
            self.told.emit(
                self.tr(
                    "{layers}: the local copy is no longer here or no longer valid, so nothing is shown. Pull the "
                    "layer again."
                ).format(layers=", ".join(sorted(set(missing))))
            )
        unfiltered, self._unfiltered = sorted(set(self._unfiltered)), []
        if unfiltered:
            self.told.emit(
                self.tr(
                    "{layers}: shown unfiltered. It was filtered to single incidents, and a project file keeps no such "
                    "filter: filter it again in Explore."
                ).format(layers=", ".join(unfiltered))
            )
        self._note_shown()


def _valid(copies: AccountStore, datasets: set[str]) -> list[LocalCopy]:
    found = [copies.copy(dataset) for dataset in sorted(datasets)]
    now = datetime.now(timezone.utc)
    return [copy for copy in found if copy is not None and not copy.lapsed(now)]
