"""Emergency corridors: greens held along a route, what that costs the others, and the way back."""
