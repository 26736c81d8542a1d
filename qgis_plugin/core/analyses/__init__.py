"""The analyses that the hotspot dock and Processing offer beside density and Gi*: a module each."""
