"""Split a uv project into image layers."""

__version__ = "0.1.0"
