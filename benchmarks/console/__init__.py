"""How fast the console is on a city in the size of Hefei, and how it bears a crowd.

traffic-brain network generate CITY --junctions 2380
python -m benchmarks.console.night CITY ROOT
python -m benchmarks.console.speed ROOT RESULT.json
python -m benchmarks.console.load ROOT RESULT.json --seconds 300
"""
