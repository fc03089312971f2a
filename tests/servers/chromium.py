"""A real browser without a screen: pages as it renders them, and what it complained about."""

import os
import re
import shutil
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

UNPACKED = Path(".servers/chromium")
BINARY = UNPACKED / "usr/lib/chromium/chromium"
DEADLINE = 120
"""s; a page takes about two"""


@dataclass(frozen=True)
class Chromium:
    """A browser, started anew for each page, that keeps nothing."""

    binary: str

    def dom(self, page: Path, *options: str) -> tuple[str, str]:
        """The document after rendering, as HTML, and what the browser and the page's console had to say."""
        return self._run(page, "--dump-dom", *options)

    def picture(self, page: Path, *, width: int, height: int, dark: bool = False) -> NDArray[np.uint8]:
        """What one sees of a page: (height, width, channels)."""
        with tempfile.TemporaryDirectory() as folder:
            shot = Path(folder) / "shot.png"
            scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
            self._run(page, f"--screenshot={shot}", f"--window-size={width},{height}", "--hide-scrollbars", scheme)
            return decoded(shot.read_bytes())

    def _run(self, page: Path, *options: str) -> tuple[str, str]:
        with tempfile.TemporaryDirectory() as profile:
            fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
            command = [self.binary, *fixed, f"--user-data-dir={profile}", *options, page.resolve().as_uri()]
            done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, env=_environment())
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr


def _environment() -> dict[str, str]:
    """One that was unpacked brings libraries and fonts that the machine may lack."""
    if shutil.which("chromium") or not UNPACKED.exists():
        return dict(os.environ)
    root = UNPACKED.resolve()
    folders = [root / "usr/lib", *root.glob("usr/lib/*-linux-gnu*"), *root.glob("usr/lib/*-linux-gnu*/*/")]
    libraries = ":".join([*map(str, folders), os.environ.get("LD_LIBRARY_PATH", "")])
    return {**os.environ, "LD_LIBRARY_PATH": libraries, "FONTCONFIG_FILE": str(root / "fonts.conf")}


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    """The one on PATH, or the one that `make servers` has unpacked; without one the test is skipped."""
    found = shutil.which("chromium") or (str(BINARY.resolve()) if BINARY.exists() else None)
    if found is None:
        pytest.skip("Chromium is not there: `make servers` unpacks it, `apt-get install chromium` installs it")
    started = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=DEADLINE, env=_environment())
    if started.returncode != 0 and not shutil.which("chromium"):
        pytest.skip(f"the Chromium that `make servers` unpacked does not start here: {started.stderr.strip()[-200:]}")
    return Chromium(found)


def complaints(log: str) -> list[str]:
    """Lines that a page wrote to its console: scripts, styles and requests that were refused among them."""
    return re.findall(r"^.*:CONSOLE.*$", log, re.MULTILINE)


def decoded(png: bytes) -> NDArray[np.uint8]:
    """The pixels of a PNG of 8 bits, not interlaced: (height, width, channels)."""
    chunks, at = [], 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + size]))
        at += size + 12
    header = chunks[0][1]
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    assert header[8] == 8, "bits"
    channels = {2: 3, 6: 4}[header[9]]
    flat = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    lines = np.frombuffer(flat, np.uint8).reshape(height, 1 + width * channels)
    return _unfiltered(lines, channels).reshape(height, width, channels)


@njit(cache=True)
def _unfiltered(lines: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """PNG writes each byte as its difference from its neighbours: left, up, their mean, or the nearest to a plane."""
    pixels = np.zeros((lines.shape[0], lines.shape[1] - 1), np.uint8)
    for y in range(lines.shape[0]):
        for x in range(pixels.shape[1]):
            left = int(pixels[y, x - channels]) if x >= channels else 0
            up = int(pixels[y - 1, x]) if y else 0
            corner = int(pixels[y - 1, x - channels]) if y and x >= channels else 0
            across, down, both = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
            plane = left if across <= down and across <= both else up if down <= both else corner
            near = (0, left, up, (left + up) // 2, plane)[lines[y, 0]]
            pixels[y, x] = (int(lines[y, x + 1]) + near) & 255
    return pixels
