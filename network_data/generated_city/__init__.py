"""Generated cities: believable, of any size, and the same from the same seed.

``generate`` draws rings, axes, radial roads and rivers (``skeleton``), cuts the blocks between
them by streets (``streets``), makes roads, names, zones and junctions of them, lets SUMO draw the
inside of the junctions, and adds demand, plans in service and detectors.
"""

from network_data.generated_city.making import generate

__all__ = ["generate"]
