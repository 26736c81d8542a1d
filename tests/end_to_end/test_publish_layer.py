"""A publisher's layer of QGIS, published to a dataset, is in an analyst's next pull."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QCoreApplication, QTimer
from safestats.qgis_plugin.gui.publish_layer.dialog import PublishLayerDialog
from safestats.shared.uploads import UploadState
from safestats.tests.end_to_end.publisher_rig import CAMDEN, Publishing, incidents_layer, may
from safestats.tests.end_to_end.rig import Analyst, wait_until


@pytest.fixture
def office(tmp_path: Path, qgis_app, qgis_new_project) -> Iterator[Publishing]:
    office = Publishing(tmp_path)
    yield office
    office.server.stop()


def through_the_dialog(publisher: Analyst, layer, more: bool = False) -> PublishLayerDialog:
    """What a person does: choose, look at the suggestions, check, publish."""
    dialog = PublishLayerDialog(publisher.desk, None)
    dialog.show()
    wait_until(lambda: dialog.layer_page.publishable is not None)
    page = dialog.layer_page
    page.layer_combo.setLayer(layer)
    page.dataset_combo.setCurrentIndex(page.dataset_combo.findData("colp"))
    page.precision.setValue(5)
    page.synthetic_box.setChecked(True)
    dialog.go_on()
    assert dialog.columns_page.columns == {"month": "occurred", "category": "crime_type", "street": "street"}
    wait_until(lambda: dialog.next_button.isEnabled())
    dialog.go_on()
    wait_until(lambda: dialog._task is None)
    return dialog


def test_an_analysts_next_pull_has_the_published_layer(office: Publishing, tmp_path: Path) -> None:
    project = QgsProject.instance()
    layer = incidents_layer([(may(1 + n), ("burglary", "Drugs")[n % 2], f"Road {n}", CAMDEN) for n in range(20)])
    project.addMapLayer(layer)
    analyst = office.analyst(tmp_path / "ann")
    assert not analyst.layers()["colp"]["permitted"]
    publisher = office.publisher(tmp_path / "pia", project)
    beats: list[int] = []
    heart = QTimer()
    heart.timeout.connect(lambda: beats.append(1))
    heart.start(20)

    dialog = through_the_dialog(publisher, layer)
    assert dialog._upload.state is UploadState.STAGED, dialog.strip.text
    assert dialog._upload.report.counts["accepted"] == 20
    dialog.go_on()
    wait_until(lambda: dialog._task is None)
    assert dialog._upload.state is UploadState.PUBLISHED, dialog.strip.text
    assert len(beats) > 20  # the window lived all the time
    heart.stop()
    dialog.close()

    analyst.pull("colp")
    shown = analyst.open("colp")
    rows = {feature["street"]: feature for feature in shown.getFeatures()}
    assert len(rows) == 20
    feature = rows["Road 3"]
    assert (feature["category"], feature["month"], feature["precision_m"]) == ("Drugs", "2025-05", 5)
    point = feature.geometry().asPoint()
    assert (point.x(), point.y()) == (528984, 183981)  # by OSTN15
    assert "officer" not in [field.name() for field in shown.fields()]
    events = [(event["event"], event["actor"]) for event in office.server.folder.events()]
    loads = [actor for event, actor in events if event in ("upload.receive", "dataset.load", "dataset.publish")]
    assert len(loads) == 3 and len(set(loads)) == 1 and loads[0] != "command-line"
    assert not list((office.server.folder.path / "incoming").iterdir())
    assert b"PC Secret" not in b"".join(
        path.read_bytes() for path in office.server.folder.path.rglob("*") if path.is_file()
    )
    for person in (analyst, publisher):
        person.leave()
    QCoreApplication.processEvents()
