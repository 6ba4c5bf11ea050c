"""The language all rooms speak: frozen dataclasses, no solver, no simulator, no files."""
