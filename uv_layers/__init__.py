"""One image layer per dependency group of a uv project."""

__version__ = "0.1.0"
