"""A road network as a UTDF csv (version 8, metric units), for Synchro and all that reads it."""

from network_data.writers.utdf.sheet import NOT_READ_BACK, renamed, utdf_names, write_utdf

__all__ = ["NOT_READ_BACK", "renamed", "utdf_names", "write_utdf"]
