"""The machine this runs on: measured once, kept in the user's cache directory with its date and the machine's id."""

import hashlib
import json
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from lfm_arch.core.errors import Diagnostic, ProfileError
from lfm_arch.core.files import write_atomically
from lfm_arch.hardware.profile import LOCAL, Profile
from lfm_arch.spec.document import load_model

Progress = Callable[[str, int, int], None]
"""Called before each step with what is measured, its number from 0, and how many there are."""


def cache_directory() -> Path:
    """Return where measured profiles are kept: `$XDG_CACHE_HOME/lfm-arch`, or `~/.cache/lfm-arch`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lfm-arch"


@cache
def machine() -> dict[str, Any]:
    """Describe this machine by what does not change from day to day."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": _memory(),
    }


def machine_id() -> str:
    """Return a short name of this machine that tells nothing else about it."""
    return hashlib.sha256(json.dumps(machine(), sort_keys=True).encode()).hexdigest()[:12]


def local_path() -> Path:
    """Return the file that holds, or will hold, this machine's profile."""
    return cache_directory() / f"hw-{machine_id()}.json"


def local_profile(progress: Progress | None = None, *, fresh: bool = False) -> Profile:
    """Return this machine's profile, measuring it first when it never was, or when a `fresh` one is asked for.

    Raises:
        ProfileError: E711, torch is not installed or the cache cannot be written.
    """
    path = local_path()
    if fresh or not path.is_file():
        _write(path, _measure(progress))
    return _load(path, path.stat().st_mtime_ns)


@cache
def _load(path: Path, stamp: int) -> Profile:
    del stamp  # a file that was measured again is another file
    return load_model(path, Profile, kind="hw")


def _measure(progress: Progress | None) -> dict[str, Any]:
    try:
        from lfm_arch.hardware.measure import measure
    except ImportError as error:
        raise ProfileError(
            Diagnostic(
                "E711",
                f"this machine cannot be measured: {error}",
                because="rates are measured with torch",
                help="pip install torch",
            )
        ) from None
    found = measure(progress)
    here = machine()
    today = datetime.now(UTC).date().isoformat()
    figure = {"kind": "measured", "source": "here"}
    return {
        "lfm_arch": 1,
        "kind": "hw",
        "name": LOCAL,
        "title": f"{here['processor']}, {here['cores']} cores",
        "doc": f"measured on {today} with torch {found.version}, {found.threads} threads",
        "vendor": here["architecture"],
        "class": "desktop",
        "sources": {"here": {"url": "lfm-arch hw profile", "what": f"machine {machine_id()}", "date": today}},
        "memory": {
            **({"capacity": {"value": here["memory"], **figure}} if here["memory"] else {}),
            "bandwidth": {
                "value": round(found.read_bytes_per_s),
                **figure,
                "note": "sum of an array beyond the caches",
            },
        },
        "units": {
            "cpu": {
                "kind": "cpu",
                "reached": {
                    name: {"value": round(each["matmul_float"]), **figure} for name, each in found.rates.items()
                },
            }
        },
        "runtimes": [{"engine": "torch", "backend": name, "unit": "cpu", "formats": [name]} for name in found.rates],
        "measured": [
            {
                "runtime": f"torch-{name}",
                "unit": "cpu",
                "rates": {rate: _plain(value) for rate, value in each.items()},
                "spread": {rate: round(value, 4) for rate, value in found.spread[name].items()},
                "note": f"measured here on {today}",
            }
            for name, each in found.rates.items()
        ],
    }


def _plain(value: float) -> float:
    return round(value) if value >= 1000 else float(f"{value:.6g}")


def _write(path: Path, profile: dict[str, Any]) -> None:
    try:
        write_atomically(path, json.dumps(profile, indent=1) + "\n")
    except OSError as error:
        raise ProfileError(
            Diagnostic(
                "E711",
                f"the profile of this machine cannot be kept in {path.parent}: {error.strerror}",
                because="it is measured once and read many times",
                help="set XDG_CACHE_HOME to a directory that can be written",
            )
        ) from None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        # unknown sizes are not written: the profile then says nothing of the capacity
        return 0
