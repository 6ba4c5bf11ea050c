"""One module or folder per foreign format; each tells in a loss report what it cannot hold."""
