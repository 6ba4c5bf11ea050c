"""Signal plans beside those of others, in SUMO, from true demand: ``traffic-brain bench plans``."""
