"""The language, compiler and hardware-aware search for Liquid-Foundation-Model-style hybrid architectures.

model = lfm_arch.build("specs/lfm2-350m.yaml")          a torch module
model = lfm_arch.load("runs/lfm2-350m")                 from a directory that `lfm-arch build` wrote
made = lfm_arch.read("specs/lfm2-350m.yaml")            counts, costs and graph, without torch
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from lfm_arch.lower.original import LFModel
    from lfm_arch.runtime.architecture import read
    from lfm_arch.runtime.build import build
    from lfm_arch.runtime.checkpoint import load

__all__ = ["LFModel", "__version__", "build", "load", "read"]

_HOMES = {
    "LFModel": "lfm_arch.lower.original",
    "build": "lfm_arch.runtime.build",
    "load": "lfm_arch.runtime.checkpoint",
    "read": "lfm_arch.runtime.architecture",
}


def __getattr__(name: str) -> Any:
    # imported on use: the package alone loads neither torch nor pydantic, so that commands start fast
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("lfm-arch")
        except PackageNotFoundError:
            # a checkout that nobody installed
            return "unknown"
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lfm_arch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
