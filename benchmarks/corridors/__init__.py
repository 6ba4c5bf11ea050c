"""Green waves: against enumeration, forty signals long, and along the corridors of a city."""
