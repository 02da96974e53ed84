"""The real server with its default model, on the command line of tests/scripted.py."""

from __future__ import annotations

import argparse
import os

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port")
    parser.add_argument("--data-dir")
    given = parser.parse_args()
    os.environ |= {"PORT": given.port, "SPATIAL_DATA_DIR": given.data_dir}

    import sys

    from app.cli import main

    sys.argv = ["spatialbalancing", "serve"]
    main()
