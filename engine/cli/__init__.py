"""The command line: each command makes a `Shot`, hands it to `engine.core`, and shows what it reports."""
