"""Brings Faceplate into the programs that it works in."""
