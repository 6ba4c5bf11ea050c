"""Pages, maps and time–space diagrams from saved folders; recomputes nothing."""
