"""The few changes that bring most: a department changes five junctions a week, not fifty."""
