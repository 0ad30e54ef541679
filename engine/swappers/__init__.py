"""Replace a face: one module for each family of swapper, behind one small interface."""
