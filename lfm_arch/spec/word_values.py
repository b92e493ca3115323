"""Words for what stands behind a key: expressions, quantities, selectors."""

from lfm_arch.spec.word_sections import Entry

VALUES: tuple[Entry, ...] = (
    (
        "expressions",
        "`${...}` is a computed value: the whole scalar, and it keeps its type. Names are those of dims, or a "
        "path from the top of the file (`vars.width`, `operators.attn.num_heads`). There are + - * / // % **, "
        "comparisons, in, is, and, or, not, lists, numbers with units, and these functions:\n"
        "\n"
        "  div(a, b)       a / b, where a remainder is an error\n"
        "  ceil_to(x, m)   the next multiple of m at or above x; floor_to below, round_to nearest\n"
        "  min, max, sum   of arguments or of a list\n"
        "  count(list)     its length; count(list, value) how often a value is in it\n"
        "  abs(x), log2(x)\n"
        "\n"
        "Whole numbers stay exact. `/` always gives a fraction: use div or // for sizes.",
        "dims:\n  hidden_size: 2048\n  intermediate_size: ${ceil_to(hidden_size * 8 / 3, 256)}",
        ("${}", "expression", "div", "ceil_to", "floor_to", "round_to", "arithmetic", "functions"),
        ("dims", "units"),
    ),
    (
        "units",
        "Numbers may be written with a unit, decimal and binary apart: k M G T are powers of 1000, Ki Mi Gi Ti "
        "powers of 1024; a bare K is an error. Bytes are B, kB, MB, GB, KiB, MiB, GiB; then ms, us, s, GB/s, "
        "TFLOP/s, W, J. Underscores between digits are fine: 1_170_340_608.",
        "expect: {kv_bytes_per_token: 12 KiB}\nconstraints: [{check: params <= 1.3 G}]",
        ("quantities", "unit", "quantity"),
        ("expect", "expressions"),
    ),
    (
        "selectors",
        "Which layers are meant. `2` is the third layer, `-1` the last, `0..1` the first two, `2..` all from the "
        "third; `attn` every layer of that block (or depth group), `attn[-1]` the last of them, `conv[3..6]` the "
        "fourth to the seventh; `odd`, `even`, `all`, `none`; several with commas. Both ends are included. One "
        "that matches nothing is an error.",
        'overrides:\n  "0..1, -1": {mixer.kernel_size: 5}\n  attn[0]: {mixer.window_size: 512}',
        ("selector", "odd", "even", "all", "none"),
        ("overrides", "sharing", "moe"),
    ),
    (
        "aliases",
        "YAML anchors (`&x`) and aliases (`*x`) are allowed and always mean a copy. Merge keys (`<<`), tags "
        "(`!x`) and duplicate keys are errors: inherit with `extends`, or give the thing a name under operators "
        "or blocks.",
        "operators:\n  conv: &conv {type: short_conv, kernel_size: 3}\n  twin: *conv",
        ("anchors", "yaml", "<<"),
        ("extends",),
    ),
    (
        "study",
        "A file that says what to search for: a space, hardware profiles, the scenario (prompt and generated tokens, "
        "batch, number formats), objectives with directions, budgets that are checked before anything is trained, and "
        "known-good models that are evaluated first. Paths are relative to the study's folder. Running the same study "
        "again goes on where it stopped.",
        "lfm_arch: 1\n"
        "kind: study\n"
        "name: phone\n"
        "space: lfm-edge.yaml\n"
        "hardware: qualcomm\n"
        "scenario: {prompt: 1024, generate: 256, batch: 1, weights: q4_0}\n"
        "objectives: {decode_step_s: minimize, bits_per_byte: minimize}\n"
        "budgets: {params: 1.3 G, ttft_s: 1 s}\n"
        "known_good: [lfm2-1.2b.yaml]",
        ("objectives", "budgets", "scenario", "known_good"),
        ("kind", "units"),
    ),
    (
        "hw",
        "A hardware profile: memory, compute units with their peaks per number format, and the runtimes that run on "
        "them. Every number names a source and how it is known (a vendor's sheet, measured, derived with its formula); "
        "an unknown number is left out, and what needs it is refused rather than guessed.",
        "lfm_arch: 1\n"
        "kind: hw\n"
        "name: my-board\n"
        "title: my board\n"
        "vendor: somebody\n"
        "class: edge\n"
        'sources: {sheet: {url: "https://example.org/sheet", what: data sheet, date: 2026-09-01}}\n'
        "memory: {bandwidth: {value: 25 GB/s, kind: vendor, source: sheet}}\n"
        "units: {cpu: {kind: cpu}}\n"
        "runtimes: [{engine: llama.cpp, unit: cpu}]",
        ("hardware", "profile", "sources"),
        ("kind", "units"),
    ),
)
