"""What is recorded about a face: who allowed its use, and what was done with it."""
