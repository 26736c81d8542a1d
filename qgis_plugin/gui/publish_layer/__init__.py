"""The window that publishes a layer to a dataset."""
