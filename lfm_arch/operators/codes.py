"""Rules that an operator's own fields can break."""

from lfm_arch.core.errors import Code

CODES: tuple[Code, ...] = (
    Code(
        "E230",
        "key/value heads do not divide the heads",
        "Grouped attention gives each key/value head the same whole number of query heads.",
        wrong="{type: attention, num_heads: 8, num_kv_heads: 3, head_dim: 64}",
        right="{type: attention, num_heads: 8, num_kv_heads: 4, head_dim: 64}",
    ),
    Code(
        "E231",
        "an odd number of rotated dimensions",
        "Rotary embedding turns pairs of dimensions by an angle, so fraction * head_dim must be an even number.",
        wrong="{type: attention, num_heads: 8, num_kv_heads: 4, head_dim: 63, rope: {theta: 1.0e+6}}",
        right="{type: attention, num_heads: 8, num_kv_heads: 4, head_dim: 64, rope: {theta: 1.0e+6}}",
    ),
    Code(
        "E232",
        "a window on bidirectional attention",
        "window_size counts the tokens up to a token, itself included. A bidirectional layer sees later ones too.",
        wrong="{type: attention, num_heads: 8, num_kv_heads: 8, head_dim: 8, direction: bidirectional, window_size: 9}",
        right="{type: attention, num_heads: 8, num_kv_heads: 8, head_dim: 8, direction: bidirectional}",
    ),
    Code(
        "E233",
        "a setting that nothing reads",
        "A setting belongs to another one that is switched off here, so it would be ignored silently.",
        wrong="{type: attention, num_heads: 8, num_kv_heads: 4, head_dim: 64, qk_norm_eps: 1.0e-6}",
        right="{type: attention, num_heads: 8, num_kv_heads: 4, head_dim: 64, qk_norm: rms, qk_norm_eps: 1.0e-6}",
    ),
    Code(
        "E234",
        "more experts per token than experts",
        "The router sends a token to experts_per_token different experts.",
        wrong="{type: moe, num_experts: 4, experts_per_token: 8, intermediate_size: 512}",
        right="{type: moe, num_experts: 8, experts_per_token: 4, intermediate_size: 512}",
    ),
    Code(
        "E235",
        "a broken plug-in operator",
        "Installed packages bring operators by the entry point group lfm_arch.operators. The one that this word names "
        "cannot be imported, is no Operator, or declares another type than the entry point's name.",
        wrong='[project.entry-points."lfm_arch.operators"]\nlong_conv = "their_package:NotAnOperator"',
        right='[project.entry-points."lfm_arch.operators"]\nlong_conv = "their_package.long_conv:LongConv"',
    ),
    Code(
        "E236",
        "groups do not divide the heads",
        "In a layer with a recurrent memory, each set of queries and keys serves the same whole number of heads.",
        wrong="{type: mamba2, num_heads: 32, head_dim: 64, state_size: 128, num_groups: 5}",
        right="{type: mamba2, num_heads: 32, head_dim: 64, state_size: 128, num_groups: 4}",
    ),
    Code(
        "E240",
        "a whole matrix for every token",
        "The full adaptive operators generate a matrix as large as the weight itself. They do so once for a sequence.",
        wrong="{type: full_adaptive_linear, condition: {type: token, size: 64}}",
        right="{type: full_adaptive_linear, condition: {type: featurizer, name: pooled, size: 64}}",
    ),
)
