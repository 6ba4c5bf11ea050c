"""Signal plans out in the formats that others read, and in again; one module per format.

Every module has

``write(plans, folder, context, settings) -> LossReport``
    Writes the files of the format into an existing empty folder. What the format cannot say is
    noted, attribute by attribute, and kept beside it in ``mapping.json``.

``read(source, context) -> Reading``
    What a file or a folder says, plan by plan; problems are collected, never raised one by one.

A format is read in a *context*: the city's junctions, and the mapping that an export of ours has
beside it. What the file says counts; where it is silent (no standard has a lamp picture for every
second), the stages of the mapping, then those of the city are taken, as long as all that the file
does say agrees with them; else the usual meaning: yellow for whom the green ends, then red.

:mod:`~traffic_brain.deployment.formats.exporting` writes a package and proves it by reading it
back; :mod:`~traffic_brain.deployment.formats.importing` reads plans and holds them to the rules.
"""
