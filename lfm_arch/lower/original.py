"""The model of the original open-source liquid-foundation-model example, in one class.

    c = F mean_t(x_t)                      the featurizer: what the whole sequence is about
    h = (W_1 + G_1 c) x                    "token mixer"
    h = (W_2 + G_2 c) h                    channel mixer
    h = sum over e of  g_e(c) (V_e + H_e c) h      experts, gated per sequence
    y = O h

Every layer is linear given `c`. What its authors called the token mixer maps each token on its own, and so it does
here; `specs/original-lfm.yaml` is the same idea with a mixer that moves information between tokens. Biases are not
written above; every layer has one.

Axes: B batch, T tokens, D width, C features.
"""

from torch import Tensor, nn

from lfm_arch.featurizers.pooled.module import PooledModule
from lfm_arch.featurizers.raw import refuse_input
from lfm_arch.parts.generated import GeneratedExperts, GeneratedLinear


class LFModel(nn.Module):
    """`LFModel(512, 512, 512, 128, 4)(torch.randn(32, 128, 512))` gives `(32, 128, 512)`.

    It holds, for the sizes t = token_dim, c = channel_dim, e = expert_dim, a = adapt_dim, n = num_experts,

        (t + 1) a  +  t c (1 + a) + c  +  c e (1 + a) + e  +  n (e e (1 + a) + e + a + 1)  +  (e + 1) t

    parameters; 203,231,364 for the sizes above.

    Args:
        token_dim: numbers in a token, in and out.
        channel_dim: numbers in a token between the two mixers.
        expert_dim: numbers in a token before and behind the experts.
        adapt_dim: features of a sequence.
        num_experts: experts, all of which answer.
    """

    def __init__(self, token_dim: int, channel_dim: int, expert_dim: int, adapt_dim: int, num_experts: int) -> None:
        super().__init__()
        self.token_dim = token_dim
        self.featurizer = PooledModule(token_dim, adapt_dim)
        self.token_mixer = GeneratedLinear(token_dim, channel_dim, adapt_dim, bias=True)
        self.channel_mixer = GeneratedLinear(channel_dim, expert_dim, adapt_dim, bias=True)
        self.experts = GeneratedExperts(expert_dim, expert_dim, adapt_dim, num_experts, bias=True)
        self.output = nn.Linear(expert_dim, token_dim)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map `[batch, tokens, token_dim]` to the same shape; sequences of a batch do not see each other.

        Raises:
            InputError: E223, the shape is another.
        """
        if x_BTD.ndim != 3 or x_BTD.shape[2] != self.token_dim:
            raise refuse_input(
                f"an input of shape {tuple(x_BTD.shape)}, expected (batch, tokens, {self.token_dim})",
                because="every token is a vector of token_dim numbers",
                help="put the numbers of a token on the last axis",
            )
        features_BC = self.featurizer(x_BTD)
        mixed_BTD = self.channel_mixer(self.token_mixer(x_BTD, features_BC), features_BC)
        return self.output(self.experts(mixed_BTD, features_BC))
