"""The four feeds: what a day's raw tables must look like, and every refused row with its reason.

One module per source. Each reads one service day's folder, sends bad rows to the quarantine with
a reason code, and hands on plain arrays in seconds of the service day.
"""
