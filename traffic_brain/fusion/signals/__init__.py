"""What stop-line passes tell of the signals: the timing that really runs, and saturation flows."""
