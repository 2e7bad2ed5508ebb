"""One image layer for each part of a uv project."""

__version__ = "0.1.0"
