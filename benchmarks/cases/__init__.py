"""What `benchmarks.kernels` measures, a module for each kernel.

Each has `rows()`, its comparisons with a peer, and `GROWTH`, a list of (name, area -> callable) whose time is measured
against the area that it works on.
"""
