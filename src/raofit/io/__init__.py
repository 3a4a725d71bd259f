"""Files in and out: NIfTI images and maps, protocols, provenance, network files, atomic outputs."""
