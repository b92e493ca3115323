"""Token embedding: every token id has its own row of `width` numbers, optionally scaled."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lfm_arch.core.cost import Cost
from lfm_arch.core.tensor import TensorType, stream
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Featurizer
from lfm_arch.operators.base import WeightNames

if TYPE_CHECKING:
    from lfm_arch.featurizers.token_embedding.module import TokenEmbeddingModule


class TokenEmbedding(Featurizer):
    """Token ids to a stream of vectors, one row of a table each."""

    type: Literal["token_embedding"] = "token_embedding"
    vocab_size: Annotated[int, Field(ge=1)]
    """Rows of the table: ids run from 0 to vocab_size - 1."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """Factor on every row, as the square root of the width in some models; null for none."""

    modality: ClassVar[str] = "text"
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        **{
            family: {"weight": "model.embed_tokens.weight"}
            for family in ("lfm2", "lfm2_moe", "lfm3", "llama", "mistral", "mixtral", "qwen3", "qwen3_moe")
        },
        **{family: {"weight": "backbone.embeddings.weight"} for family in ("mamba", "mamba2", "falcon_mamba")},
    }

    def takes(self, name: str) -> TensorType:
        return TensorType(("batch", f"{name}_tokens"), "int")

    def gives(self, name: str, width: int) -> TensorType:
        return stream(width, f"{name}_tokens")

    def cost(self, width: int, work: Workload) -> Cost:
        params = self.vocab_size * width
        return Cost(
            params=params,
            active_params=params,
            touched_params=min(work.positions, self.vocab_size) * width,
            activations=(1 if self.scale is None else 3) * width * work.positions,
            kernels=1 if self.scale is None else 2,
        )

    def build(self, width: int) -> "TokenEmbeddingModule":
        from lfm_arch.featurizers.token_embedding.module import TokenEmbeddingModule

        return TokenEmbeddingModule(self.vocab_size, width, self.scale)
