"""Language model head: a score for every word of the vocabulary, `logits = W x`, often with the embedding's own W."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import Diagnostic, GraphError, refuse
from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Featurizer, Head
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.operators.base import WeightNames

if TYPE_CHECKING:
    from lfm_arch.featurizers.lm_head.module import LMHeadModule


class LMHead(Head):
    """Scores of the next token, `[batch, tokens, vocab_size]`."""

    type: Literal["lm_head"] = "lm_head"
    vocab_size: Annotated[int, Field(ge=1)] | None = None
    """Scores for each position; left out when `tied_to` says whose vocabulary it is."""

    can_tie: ClassVar[bool] = True
    weight_names: ClassVar[Mapping[str, WeightNames]] = {
        family: {"weight": "lm_head.weight"}
        for family in (
            *("lfm2", "lfm2_moe", "lfm3", "mamba", "mamba2", "falcon_mamba"),
            *("llama", "mistral", "mixtral", "qwen3", "qwen3_moe"),
        )
    }

    @model_validator(mode="after")
    def _has_a_vocabulary(self) -> Self:
        if self.vocab_size is None and self.tied_to is None:
            raise refuse(
                "E220",
                "",
                "this lm_head has no vocabulary",
                because="it scores the rows of a table: its own of vocab_size rows, or that of a token_embedding",
                help="write vocab_size: <number>, or tied_to: <name of a token_embedding>",
            )
        return self

    def resolve(self, featurizers: Mapping[str, Featurizer]) -> "LMHead":
        if self.tied_to is None:
            return self
        owner = featurizers.get(self.tied_to)
        if not isinstance(owner, TokenEmbedding):
            known = ", ".join(name for name, each in featurizers.items() if isinstance(each, TokenEmbedding))
            what = (
                "no featurizer" if owner is None else f"{getattr(owner, 'type', 'a featurizer')} without a vocabulary"
            )
            raise GraphError(
                Diagnostic(
                    "E222",
                    f"tied_to names {self.tied_to!r}, which is {what}",
                    because="a tied head scores the rows of a token_embedding",
                    help=f"use one of {known}" if known else "add a token_embedding, or write vocab_size instead",
                )
            )
        if self.vocab_size not in (None, owner.vocab_size):
            raise GraphError(
                Diagnostic(
                    "E222",
                    f"vocab_size={self.vocab_size}, but {self.tied_to!r} has {owner.vocab_size} rows",
                    because="a tied head has exactly the rows of its embedding",
                    help="leave vocab_size out",
                )
            )
        return self.model_copy(update={"vocab_size": owner.vocab_size})

    @property
    def rows(self) -> int:
        """The vocabulary, once `resolve` has found it."""
        assert self.vocab_size is not None, f"{self!r} was not resolved"
        return self.vocab_size

    def gives(self, width: int) -> TensorType:
        del width
        return TensorType(("batch", "tokens", self.rows))

    def params(self, width: int) -> int:
        return 0 if self.tied_to else self.rows * width

    def cost(self, width: int, work: Workload) -> Cost:
        weights = self.rows * width
        return Cost(
            params=self.params(width),
            active_params=self.params(width),
            matmul_flops=2 * weights * work.positions,
            touched_params=weights,
            activations=(width + self.rows) * work.positions,
            kernels=1,
        )

    def build(self, width: int) -> "LMHeadModule":
        from lfm_arch.featurizers.lm_head.module import LMHeadModule

        return LMHeadModule(self.rows, width, tied=self.tied_to is not None)
