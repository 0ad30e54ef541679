"""Faceplate's engine: solve, render, the command line, and everything that touches files or networks."""

__version__ = "0.1.0"
