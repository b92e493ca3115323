"""The running raw feature vector. Axes: B batch, C features."""

from torch import Tensor, nn

from lfm_arch.featurizers.raw import refuse_input


class FeaturesModule(nn.Module):
    """The running `Features`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, features_BC: Tensor) -> Tensor:
        """Hand the vectors on.

        Raises:
            InputError: E223, they have another size than declared.
        """
        if features_BC.ndim != 2 or features_BC.shape[1] != self.size:
            raise refuse_input(
                f"feature vectors of shape {tuple(features_BC.shape)}, expected (batch, {self.size})",
                because="every sequence has one vector of the declared size",
                help="give one row for each sequence",
            )
        return features_BC
