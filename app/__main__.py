"""`python -m app`: the same as the console script `spatialbalancing`."""

from app.cli import main

main()
