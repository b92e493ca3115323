"""Hugging Face families, one file each; `FAMILIES` is all of them, by `model_type`."""

from collections.abc import Mapping

from lfm_arch.export.families.lfm2 import LFM2
from lfm_arch.export.families.lfm2_moe import LFM2_MOE
from lfm_arch.export.families.lfm3 import LFM3
from lfm_arch.export.families.llama import LLAMA, MISTRAL
from lfm_arch.export.families.mixtral import MIXTRAL
from lfm_arch.export.families.qwen3 import QWEN3, QWEN3_MOE
from lfm_arch.export.family import Family

FAMILIES: Mapping[str, Family] = {
    family.model_type: family for family in (LLAMA, MISTRAL, QWEN3, QWEN3_MOE, MIXTRAL, LFM2, LFM2_MOE, LFM3)
}
"""In the order in which an export tries them: those that most runtimes know come first."""
