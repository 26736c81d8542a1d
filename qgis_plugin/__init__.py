"""The desk: the SafeStats plugin for QGIS."""
