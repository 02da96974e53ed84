"""The HTTP of studies."""
