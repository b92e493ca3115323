"""Words for decisions: what a space leaves open."""

from lfm_arch.spec.word_sections import Entry

DECISIONS: tuple[Entry, ...] = (
    (
        "decisions",
        "A decision stands wherever a value may stand: a mapping with exactly one `$key` ($choice, $int, $float, "
        "$subset, $perm, $switch, $place) and modifiers (prior, when, scope, name). What is inside an option that "
        "is not taken is never asked.",
        "operators: {conv: {kernel_size: {$choice: [3, 5, 7], prior: 3}}}",
        ("holes", "decision", "genome"),
        ("$choice", "scope", "when"),
    ),
    (
        "$choice",
        "One of the listed values. An option may be anything, a whole operator with decisions of its own too: "
        "nesting is the condition.",
        "blocks:\n"
        "  attn:\n"
        "    mixer:\n"
        "      $choice:\n"
        "        - attn\n"
        "        - {type: short_conv, kernel_size: {$choice: [3, 5]}}",
        ("choice",),
        ("decisions", "prior", "$switch"),
    ),
    (
        "$int",
        "A whole number from `low` to `high`, both included, in steps of `step`; `log: true` searches by ratio.",
        "vars: {depth: {$int: {low: 14, high: 22, step: 2}}}",
        ("int",),
        ("$float", "$choice"),
    ),
    (
        "$float",
        "A number from `low` to `high`; `log: true` searches by ratio, as befits an eps.",
        "norm: {eps: {$float: {low: 1.0e-6, high: 1.0e-5, log: true}}}",
        ("float",),
        ("$int",),
    ),
    (
        "$subset",
        "Some of the listed values, at least `min` and at most `max` of them, in the order listed.",
        "vars: {extras: {$subset: {of: [image, audio, video], min: 0, max: 2}}}",
        ("subset",),
        ("$perm", "$choice"),
    ),
    (
        "$perm",
        "All of the listed values, in an order to be decided.",
        "vars: {order: {$perm: [first, second, third]}}",
        ("perm",),
        ("$subset",),
    ),
    (
        "$switch",
        "No decision of its own: it follows another one. `on` says which value, `cases` what each of its values "
        "leads to.",
        "vars:\n"
        "  size: {$choice: [small, large]}\n"
        "dims:\n"
        "  hidden_size: {$switch: {on: vars.size, cases: {small: 1024, large: 2048}}}",
        ("switch", "cases"),
        ("$choice", "when"),
    ),
    (
        "$place",
        "Where some layers go among others, as a stack: `put` says how many of which blocks go into `length` "
        "layers filled with `fill`. `min_gap` and `max_gap` bound the fill layers between two of them, `head` and "
        "`tail` are fixed. It is coded so that every code is a legal layout, so a search wastes no trial on a "
        "broken one.",
        "depth_groups:\n"
        "  - name: trunk\n"
        "    stack:\n"
        "      $place: {fill: conv, length: 16, put: {attn: 6}, min_gap: 1, head: [conv, conv], tail: [conv]}",
        ("place", "min_gap", "max_gap"),
        ("stack", "decisions"),
    ),
    (
        "scope",
        "How often a decision is taken. `spec` is once, `layer` once for each layer, `group(4)` once for every "
        "four layers, `use` once for each place that names the operator or block it stands in. Layers keep their "
        "decisions when the depth changes.",
        "operators: {attn: {window_size: {$choice: [null, 1024], scope: layer}}}",
        (),
        ("decisions", "vars"),
    ),
    (
        "when",
        "Takes a decision only where an expression is true. Where it is not, the prior stands; without a prior "
        "the key counts as not written.",
        "vars:\n  sparse: {$choice: [true, false]}\n  experts: {$choice: [8, 16], when: vars.sparse, prior: 8}",
        (),
        ("prior", "$switch"),
    ),
    (
        "prior",
        "The value that is tried first, and that stands where `when` is false. A known-good model is a space with "
        "all priors taken.",
        "operators: {conv: {kernel_size: {$choice: [3, 5, 7], prior: 3}}}",
        (),
        ("when", "decisions"),
    ),
)
