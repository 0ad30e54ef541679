"""The demo: makes a plate from a photo that came in a package, replaces the face in it, and measures the result."""
