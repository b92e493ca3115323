"""E2xx of every field, and E35x: names and what reads them. Operators, featurizers and heads add codes of their own."""

from lfm_arch.core.errors import Code

FIELD_CODES: tuple[Code, ...] = (
    Code(
        "E201",
        "an unknown key",
        "Nothing would read it, so it is refused rather than ignored. Keys of your own start with `x-` and may stand "
        "anywhere.",
        "conv: {type: short_conv, kernal_size: 3}",
        "conv: {type: short_conv, kernel_size: 3}",
    ),
    Code(
        "E202",
        "a missing key",
        "Sizes are never guessed: what has no default must be written, here or in a file that is inherited.",
        "conv: {type: short_conv}",
        "conv: {type: short_conv, kernel_size: 3}",
    ),
    Code(
        "E203",
        "a value of the wrong type",
        "Types are exact: 3.0 and `3` in quotes are no whole numbers, `on` and `yes` are text. An expression has the "
        "type of its result: `/` always gives a fraction, div(a, b) and // whole numbers.",
        "kernel_size: three",
        "kernel_size: 3",
    ),
    Code(
        "E204",
        "a value out of its range",
        "The field has a lowest or highest value; `lfm-arch explain` shows them for every operator.",
        "{type: short_conv, kernel_size: 1}",
        "{type: short_conv, kernel_size: 3}",
    ),
    Code(
        "E205",
        "a word that is none of those allowed",
        "The field takes one of a few words.",
        "qk_norm: rmss",
        "qk_norm: rms",
    ),
    Code(
        "E206",
        "an unknown type",
        "No operator, featurizer, head or norm is called so: none that ships and none of an installed plug-in.",
        "conv: {type: short_cnov, kernel_size: 3}",
        "conv: {type: short_conv, kernel_size: 3}",
    ),
    Code(
        "E207",
        "a missing type",
        "`type` says which operator, featurizer, head or norm is declared, and so which fields there are.",
        "conv: {kernel_size: 3}",
        "conv: {type: short_conv, kernel_size: 3}",
    ),
    Code(
        "E208",
        "a name that cannot be one",
        "Names are letters, digits and underscores, so that expressions, stacks and selectors can say them; words that "
        "mean something there (all, odd, none, and, ...) are taken. Depth groups have different names.",
        "blocks: {odd: {mixer: conv}}",
        "blocks: {conv: {mixer: conv}}",
    ),
    Code(
        "E210",
        "a sharing entry that does not say what or who",
        "An entry says what is shared, one of `weights`, `features`, `featurizers`; for the first two also `among` "
        "which layers.",
        "sharing: [{features: kv}]",
        "sharing: [{features: kv, among: attn}]",
    ),
    Code(
        "E350",
        "an unknown operator",
        "A block's `mixer` and `channel` name an operator of the file, or spell one in place.",
        "blocks: {conv: {mixer: cnov}}",
        "blocks: {conv: {mixer: conv}}",
    ),
    Code(
        "E351",
        "values that read each other in a circle",
        "A value is computed from values that are there before it. The message shows the whole circle.",
        "dims: {a: '${b + 1}', b: '${a - 1}'}",
        "dims: {a: 3, b: '${a - 1}'}",
    ),
    Code(
        "E352",
        "a chain of expressions that is too long",
        "At most 32 expressions read each other in a row. Write a number in between.",
        "dims: {a0: 1, a1: '${a0}', a2: '${a1}'} # and so on, 33 times",
        "dims: {a0: 1, a1: '${a0}', a2: '${a0}'}",
    ),
    Code(
        "W201",
        "a name that nothing uses",
        "An operator that no block names, a block in no stack, a dim or decision that nothing reads: a leftover, or a "
        "mistyped name elsewhere. Only names of the checked file itself are told, not inherited ones.",
        "operators: {attn2: {type: attention, ...}} # no block says attn2",
        "blocks: {attn: {mixer: attn2}}",
    ),
    Code(
        "W202",
        "sharing that shares nothing",
        "`share` says what the passes of a group own together, so a group that is passed once shares nothing; and an "
        "entry of `sharing` that selects a single layer leaves it as it is.",
        "depth_groups: [{name: trunk, stack: 4*conv, share: weights}]",
        "depth_groups: [{name: trunk, stack: conv, repeat: 4, share: weights}]",
    ),
)
