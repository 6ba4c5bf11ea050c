"""The four feeds: read as they come, checked row by row and device by device.

::

    files of any form ── opening (csv_text, column_map, conversion) ──> canonical record batches
    registers of places ── registers (coordinates, location) ──> links
    batches ── police, checkpoint (pseudonym, misreadings), internet, transit ──> a day's tables
    tables ── health (devices, clocks, lights, speed_units, hand_run) ──> findings, set right

One module per source. Each reads one service day's folder, sends bad rows to the quarantine with
a reason code, and hands on plain arrays in seconds of the service day. Plates end in here.
"""
