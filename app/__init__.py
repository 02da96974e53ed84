"""SpatialBalancing: spatial co-writing for science communication."""

__version__ = "0.1.0"
