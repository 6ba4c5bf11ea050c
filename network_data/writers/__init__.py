"""One module per foreign format; each says in a loss report what the format cannot hold."""
