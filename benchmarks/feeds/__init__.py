"""A day of feeds at the size of Hefei: made, fused, and compared with DuckDB and Polars."""
