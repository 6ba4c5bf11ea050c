"""What becomes of the fused state when sources fail or lie."""
