"""Signal plans from demand: splits, cycles and green waves, with a bound beside what is proven."""
