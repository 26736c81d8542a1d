"""What a client asks for: layers, manifests, artefacts, events."""
