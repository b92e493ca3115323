"""The running sequence of raw vectors. Axes: B batch, T tokens, C numbers in a raw vector, D width."""

from torch import Tensor, nn

from lfm_arch.featurizers.raw import refuse_input


class VectorsModule(nn.Module):
    """The running `Vectors`."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(size, width)

    def forward(self, vectors_BTC: Tensor) -> Tensor:
        """Project each vector.

        Raises:
            InputError: E223, they have another size than declared.
        """
        if vectors_BTC.ndim != 3 or vectors_BTC.shape[2] != self.proj.in_features:
            raise refuse_input(
                f"vectors of shape {tuple(vectors_BTC.shape)}, expected (batch, tokens, {self.proj.in_features})",
                because="every token is one vector of the declared size",
                help="put the numbers of a token on the last axis",
            )
        return self.proj(vectors_BTC)
