"""Why a queue stands where it stands: what is mended by itself, one thing after the other."""
