"""Speed, always as a ratio against a named peer that was measured in the same run on the same machine."""
