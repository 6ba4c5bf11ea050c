"""堵点挖掘 and 堵因分析: where it jams, why, and which junctions belong together."""
