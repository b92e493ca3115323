"""E3xx of the small languages: expressions E301-E312, quantities E315-E317, stacks E320-E324, selectors E330-E333,
places E340-E342; and E130, E131 of the tools around them.
"""

from lfm_arch.core.errors import Code

LANGUAGE_CODES: tuple[Code, ...] = (
    Code(
        "E130",
        "a file that cannot be written",
        "The file or its directory does not allow it. `lfm-arch fmt` writes a new file beside the old one and then "
        "puts it in its place, so it needs to write in that directory. When it cannot, the old file stays as it was.",
        "lfm-arch fmt /usr/share/specs/model.yaml",
        "cp /usr/share/specs/model.yaml . && lfm-arch fmt model.yaml",
    ),
    Code(
        "E131",
        "schemas for nowhere",
        "`lfm-arch schema` prints the schema of one kind of file, or writes all of them to a directory.",
        "lfm-arch schema",
        "lfm-arch schema --output schema",
    ),
    Code(
        "E301",
        "an expression that does not parse",
        "Expressions are a small closed grammar: numbers, names, + - * / // % **, comparisons, and / or / not, in, "
        "is, and the functions div, ceil_to, floor_to, round_to, min, max, sum, count, abs, log2. `lfm-arch explain "
        "expressions` shows all of it.",
        "head_dim: ${hidden_size / }",
        "head_dim: ${div(hidden_size, num_heads)}",
    ),
    Code(
        "E302",
        "an expression too long or too deep",
        "At most 2,000 characters and 32 levels of nesting. Name the parts under `dims` and use the names.",
        "size: ${((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))}",
        "size: ${base * 2}",
    ),
    Code(
        "E303",
        "an unknown function",
        "There are ten functions and no way to add one: a spec is a pure file that runs nothing.",
        "hidden_size: ${round(1000, 256)}",
        "hidden_size: ${round_to(1000, 256)}",
    ),
    Code(
        "E304",
        "a function with the wrong number of arguments",
        "`lfm-arch explain expressions` lists the arguments of each function.",
        "head_dim: ${div(hidden_size)}",
        "head_dim: ${div(hidden_size, num_heads)}",
    ),
    Code(
        "E305",
        "an unknown name in an expression",
        "Names are those of `dims`, or a path from the top of the file, as `vars.width`.",
        'dims: {hidden_size: 2048, head_dim: "${div(hiden_size, 32)}"}',
        'dims: {hidden_size: 2048, head_dim: "${div(hidden_size, 32)}"}',
    ),
    Code(
        "E306",
        "a step to something that is not there",
        "`.name` goes into a mapping, `[0]` into a list; the first element is number 0, `[-1]` is the last.",
        "width: ${vars.widths[3]}        # vars: {widths: [1536, 2048]}",
        "width: ${vars.widths[1]}",
    ),
    Code(
        "E307",
        "a value of the wrong kind in an expression",
        "Arithmetic wants numbers, and / or / not want true or false, `//` and `%` and div want whole numbers. true "
        "and false are no numbers. `/` always gives a fraction, so that a field for whole numbers refuses it at once.",
        "num_heads: ${div(hidden_size / 2, 64)}",
        "num_heads: ${div(div(hidden_size, 2), 64)}",
    ),
    Code(
        "E308",
        "div leaves a remainder",
        "`div(a, b)` is exact, because a size that is silently rounded down is a different model. Use `//` to floor, "
        "or ceil_to and floor_to to round to a multiple.",
        "head_dim: ${div(2048, 30)}",
        "head_dim: ${div(2048, 32)}",
    ),
    Code(
        "E309",
        "a division by zero",
        "The right side of `/`, `//`, `%` and `div` came out as 0.",
        "head_dim: ${2048 // 0}",
        "head_dim: ${2048 // 32}",
    ),
    Code(
        "E310",
        "a result that is too large",
        "Whole numbers stay below 2**256 and other numbers finite, and functions look at no more than a million "
        "elements, so that no file can take endless time or memory.",
        "hidden_size: ${9 ** 9 ** 9}",
        "hidden_size: ${2 ** 11}",
    ),
    Code(
        "E311",
        "a badly written number",
        "No leading zero (`017` is 17 to some readers and 15 to others), single underscores between digits, and a "
        "unit that exists. A bare K is none: k is 1000, Ki is 1024.",
        "check: params <= 12 K",
        "check: params <= 12 k",
    ),
    Code(
        "E312",
        "text around an expression",
        "An expression is the whole value and keeps its type. Values are never glued into text.",
        'layers: "2..${vars.last}"',
        "hidden_size: ${vars.width * 2}",
    ),
    Code(
        "E315",
        "not a quantity",
        "A quantity is a number in base units, or a number with a unit: `12 KiB`, `25 GB/s`, `1.3 G`, `900 ms`. "
        "Decimal and binary prefixes are kept apart (GB is 1e9, GiB is 2**30).",
        "bandwidth: fast",
        "bandwidth: 25 GB/s",
    ),
    Code(
        "E316",
        "a quantity of something else",
        "The unit must measure what the field is about: bytes are no bytes per second.",
        "bandwidth: 25 GB",
        "bandwidth: 25 GB/s",
    ),
    Code(
        "E317",
        "a quantity that cannot be",
        "Counts and bytes are whole, and nothing here is negative or endless.",
        "size: 0.3 B",
        "size: 300 MB",
    ),
    Code(
        "E320",
        "a stack that does not parse",
        "A stack is a run of block names with counts and brackets; depth is counted, never written.",
        "stack: 2*(conv attn",
        "stack: 2*(conv attn)",
    ),
    Code(
        "E321",
        "an unknown block in a stack",
        "A stack names blocks of the same file (or of the files it extends).",
        "stack: 2*conv atn        # blocks: {conv: ..., attn: ...}",
        "stack: 2*conv attn",
    ),
    Code(
        "E322",
        "a count out of bounds",
        "A count is 1 or more, and a model has at most 100,000 layers. Only a computed repeat in the list form may be "
        "0.",
        "stack: 0*conv attn",
        "stack: attn",
    ),
    Code(
        "E323",
        "a stack too long or too deep",
        "At most 20,000 characters and 16 levels of brackets.",
        "stack: ((((((((((((((((((conv))))))))))))))))))",
        "stack: conv",
    ),
    Code(
        "E324",
        "a wrong list form of a stack",
        "The list form holds block names and `{repeat: N, of: [...]}`; it means the same as the string.",
        "stack: [conv, {times: 2, of: attn}]",
        "stack: [conv, {repeat: 2, of: attn}]",
    ),
    Code(
        "E330",
        "a selector that does not parse",
        "A selector is a layer number, a range with both ends included, a block's name with or without an index, "
        "`odd`, `even`, `all` or `none`, or several of them with commas.",
        'overrides: {"attn[": {placement: post}}',
        'overrides: {"attn[-1]": {placement: post}}',
    ),
    Code(
        "E331",
        "a selector that matches nothing",
        "A change that touches no layer is a mistake or a leftover. `none` selects nothing on purpose.",
        'overrides: {"20..": {placement: post}}        # of 20 layers',
        'overrides: {"19..": {placement: post}}',
    ),
    Code(
        "E332",
        "a selector past the last layer",
        "Layers count from 0, and a selector is never cut to what there is. An open end, as in `2..`, takes all that "
        "follow.",
        'overrides: {"14..20": {placement: post}}        # of 16 layers',
        'overrides: {"14..": {placement: post}}',
    ),
    Code(
        "E333",
        "an unknown name in a selector",
        "A selector names blocks or depth groups of the file.",
        'overrides: {"atn[0]": {placement: post}}',
        'overrides: {"attn[0]": {placement: post}}',
    ),
    Code(
        "E340",
        "a $place without a layout",
        "head, tail, the placed layers and min_gap between any two of them must fit into length, and max_gap must be "
        "wide enough to fill it.",
        "stack: {$place: {fill: conv, length: 4, put: {attn: 3}, min_gap: 1}}",
        "stack: {$place: {fill: conv, length: 5, put: {attn: 3}, min_gap: 1}}",
    ),
    Code(
        "E341",
        "a wrong field of $place",
        "`fill` is a block, `length` a number of layers up to 1,024, `put` how many of which other blocks, `min_gap` "
        "and `max_gap` numbers of fill layers, `head` and `tail` lists of blocks.",
        "stack: {$place: {fill: conv, length: 16, put: {conv: 3}}}",
        "stack: {$place: {fill: conv, length: 16, put: {attn: 3}}}",
    ),
    Code(
        "E342",
        "a code or layout of another $place",
        "A candidate is read with the space it came from; after the space was changed, an old code may not fit.",
        "a genome written before min_gap was raised",
        "run the search again, or read the candidate's own resolved spec",
    ),
)
