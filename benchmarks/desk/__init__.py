"""What has to be measured inside QGIS: each module is a process of the desk's environment that prints its measures."""
