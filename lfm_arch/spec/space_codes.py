"""E6xx: decisions and spaces."""

from lfm_arch.core.errors import Code

SPACE_CODES: tuple[Code, ...] = (
    Code(
        "E601",
        "a model with an open decision",
        "In a model everything is decided. A file with decisions is a space; its candidates, and the files that a "
        "search writes for the best of them, are models.",
        "kind: model\ndims: {hidden_size: {$choice: [1024, 2048]}}",
        "kind: space\ndims: {hidden_size: {$choice: [1024, 2048]}}",
    ),
    Code(
        "E602",
        "a space without a decision",
        "There is nothing to search in it.",
        "kind: space\ndims: {hidden_size: 1024}",
        "kind: space\ndims: {hidden_size: {$choice: [1024, 2048]}}",
    ),
    Code(
        "E603",
        "a decision that is written wrongly",
        "A decision is a mapping with exactly one of $choice, $int, $float, $subset, $perm, $switch, $place, and "
        "beside it only prior, when, scope and name.",
        "{$chioce: [3, 5]}",
        "{$choice: [3, 5]}",
    ),
    Code(
        "E604",
        "a decision without its outcomes",
        "$choice and $perm need a list, $subset {of: [...]}, $int and $float {low, high}, $switch {on, cases}; each "
        "option is there once.",
        "{$choice: []}",
        "{$choice: [3, 5]}",
    ),
    Code(
        "E605",
        "a range that is none",
        "`low` is at most `high`, `step` leads from one to the other, `log` needs numbers above 0, and bounds are the "
        "same for every candidate: no decision moves them.",
        "{$int: {low: 22, high: 14}}",
        "{$int: {low: 14, high: 22, step: 2}}",
    ),
    Code(
        "E606",
        "a prior that is no outcome",
        "`prior` is the outcome that is tried first, so it must be one of them.",
        "{$choice: [3, 5], prior: 4}",
        "{$choice: [3, 5], prior: 5}",
    ),
    Code(
        "E607",
        "a scope that is none",
        "`scope` is spec (decided once, the default), layer, group(n) or use. Only operators, blocks, norm and "
        "overrides may differ from layer to layer; elsewhere a decision is taken once.",
        "dims: {hidden_size: {$choice: [1024, 2048], scope: layer}}",
        "operators: {conv: {kernel_size: {$choice: [3, 5], scope: layer}}}",
    ),
    Code(
        "E609",
        "a switch without the case that is asked for",
        "Every value that `on` can have needs a case.",
        "{$switch: {on: vars.kind, cases: {small: 1}}} # vars.kind may be large",
        "{$switch: {on: vars.kind, cases: {small: 1, large: 2}}}",
    ),
    Code(
        "E610",
        "two decisions of one name",
        "Decisions that share a `name` are one decision, so they must have the same outcomes.",
        "a: {$choice: [3, 5], name: k}\nb: {$choice: [3, 7], name: k}",
        "a: {$choice: [3, 5], name: k}\nb: {$choice: [3, 5], name: k}",
    ),
    Code(
        "E611",
        "one value from many decisions",
        "What is decided anew for each layer or use has no value for the model as a whole, so nothing outside of "
        "layers can read it.",
        "dims: {k: '${operators.conv.kernel_size}'} # whose scope is layer",
        "vars: {k: {$choice: [3, 5]}}",
    ),
    Code(
        "E612",
        "a genome that does not answer",
        "A genome holds an answer for every decision that comes up, and each answer is one of the outcomes.",
        "genome: {vars.width: 2000} # of [1536, 2048]",
        "genome: {vars.width: 2048}",
    ),
    Code(
        "E614",
        "too many branches",
        "Every branch of every decision is checked when a space is read, and at most 5,000 are. A range of numbers is "
        "one decision with two ends.",
        "{$choice: [1, 2, 3]} # two thousand times",
        "{$int: {low: 1, high: 3}}",
    ),
    Code(
        "W602",
        "a default candidate that breaks a promise",
        "With every decision at its prior, a constraint or expectation does not hold. A search leaves that candidate "
        "out and goes on, but begins with a loss: choose priors that are known to be good.",
        "prior: 4096 # constraints: [{check: params <= 1 G}]",
        "prior: 2048",
    ),
    Code(
        "W601",
        "a branch that fails",
        "With all other decisions at their priors, taking this branch gives no architecture: a search leaves such "
        "candidates out, and every draw of them is a draw lost. Often a bound or a list is too wide.",
        "width: {$choice: [1024, 1000]} # num_heads is div(width, 64)",
        "width: {$choice: [1024, 960]}",
    ),
)
