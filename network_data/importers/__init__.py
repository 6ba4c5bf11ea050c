"""One module per foreign format; each writes a city folder and a loss report."""
