"""What happened around a place, for somebody who has a browser and no QGIS: page, report and lists of premises."""
