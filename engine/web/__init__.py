"""Pages that the engine serves on loopback: a person chooses how a shot's faces are replaced, and has it done."""
