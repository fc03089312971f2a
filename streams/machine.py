"""The machine that figures were measured on."""

import os
import platform
from pathlib import Path
from typing import Any

import numba
import numpy as np


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": cpu[0].partition(": ")[2] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
    }
