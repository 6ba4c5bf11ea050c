"""A day of feeds into sums per place and 5 minutes, at the size of a city like Hefei.

The work is cut into tasks, one for each source and *range* of event time (two hours), whose results
are disjoint. A row group of a file has its *home* in the range that most of its rows belong to; a
row of another range — late, or of a clock that is wrong — is a *stray*. First every range *absorbs*
the row groups at home in it and tells its strays; then every range *settles* the strays that the
others found for it. All sums are whole numbers, rows are taken in the order of files, and results
are merged in the order of tasks: the bytes are the same on one process, on many, on a cluster, and
when the files of a day come in twelve parts.

``day``: the driver. ``tasks``: what a task is. ``columns``: Arrow's buffers as arrays, nothing
copied. ``sums``: internet, police, transit; ``seen_keys``: which rows they have seen. ``pairs``:
checkpoints. ``paces``: what fusion reads.
"""
