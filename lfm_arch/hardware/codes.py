"""What can be wrong with a hardware profile, or with a question put to one."""

from lfm_arch.core.errors import Code

CODES: tuple[Code, ...] = (
    Code(
        "E701",
        "unknown hardware profile",
        "A profile is named (see `lfm-arch hw list`), by one of the words cerebras, qualcomm, apple, amd, nvidia and "
        "local, or by the path of a YAML file of kind hw.",
        wrong="lfm-arch cost specs/lfm2-1.2b.yaml --hw appel",
        right="lfm-arch cost specs/lfm2-1.2b.yaml --hw apple",
    ),
    Code(
        "E702",
        "a number of a profile names no source",
        "Every number says where it was read. Its `source` is a key of the profile's `sources`.",
        wrong="sources: {}\nmemory: {bandwidth: {value: 120 GB/s, kind: vendor, source: datasheet}}",
        right="sources: {datasheet: {url: https://example.org/sheet, what: data sheet, date: 2026-11-01}}\n"
        "memory: {bandwidth: {value: 120 GB/s, kind: vendor, source: datasheet}}",
    ),
    Code(
        "E703",
        "a derived number without its formula",
        "A number of kind `derived` was computed from others, so it says how, and anybody can check it.",
        wrong="bandwidth: {value: 84.8 GB/s, kind: derived, source: datasheet}",
        right="bandwidth: {value: 84.8 GB/s, kind: derived, source: datasheet, formula: 10600 MT/s * 8 B}",
    ),
    Code(
        "E704",
        "an unsourced number in a profile",
        "A number from memory is not shipped: an unknown number is left out, and what needs it is refused.",
        wrong="capacity: {value: 16 GB, kind: unsourced}",
        right="capacity: null",
    ),
    Code(
        "E705",
        "not a day",
        "Dates in a profile are days, year first.",
        wrong="sources: {sheet: {url: https://example.org/sheet, what: data sheet, date: 24.11.2026}}",
        right="sources: {sheet: {url: https://example.org/sheet, what: data sheet, date: 2026-11-24}}",
    ),
    Code(
        "E706",
        "no memory bandwidth known",
        "Without the bandwidth of the unit and without a calibration, no time can be predicted on it.",
        wrong="lfm-arch cost specs/lfm2-1.2b.yaml --hw my-board.yaml    # units: {cpu: {kind: cpu}} without bandwidth",
        right="lfm-arch cost specs/lfm2-1.2b.yaml --hw my-board.yaml    # memory: {bandwidth: {value: 25 GB/s, ...}}",
    ),
    Code(
        "E707",
        "no arithmetic rate known",
        "Prefill needs a rate of arithmetic: a calibration, or a peak of the unit for the number format. Unknown stays "
        "unknown, it is not guessed; decoding can still be predicted.",
        wrong="estimate(graph, load_profile('snapdragon-8-gen-2'), Scenario()).ttft_s",
        right="estimate(graph, load_profile('snapdragon-8-elite'), Scenario()).ttft_s",
    ),
    Code(
        "E708",
        "the profile has no such runtime",
        "Efficiencies belong to a runtime on a compute unit. A profile lists those that are known to run on it.",
        wrong="lfm-arch cost specs/lfm2-1.2b.yaml --hw apple --runtime vllm",
        right="lfm-arch cost specs/lfm2-1.2b.yaml --hw apple --runtime llama.cpp-metal",
    ),
    Code(
        "E709",
        "unknown number format",
        "Weights and cache are stored in named formats whose true bits per element are known.",
        wrong="lfm-arch cost specs/lfm2-1.2b.yaml --hw apple --weights q4_9",
        right="lfm-arch cost specs/lfm2-1.2b.yaml --hw apple --weights q4_0",
    ),
    Code(
        "E710",
        "a runtime on a unit that the profile does not have",
        "`runtimes` say on which of the profile's `units` they run.",
        wrong="units: {cpu: {kind: cpu}}\nruntimes: [{engine: llama.cpp, backend: cuda, unit: gpu}]",
        right="units: {gpu: {kind: gpu}}\nruntimes: [{engine: llama.cpp, backend: cuda, unit: gpu}]",
    ),
    Code(
        "E711",
        "this machine cannot be measured",
        "`local` is measured with torch on the spot, once, and kept in the user's cache directory.",
        wrong="lfm-arch hw profile    # without torch installed",
        right="pip install torch && lfm-arch hw profile",
    ),
    Code(
        "E712",
        "an answer below the tier asked for",
        "Every answer says how it is known: measured, calibrated, family, class or spec_only. `--strict TIER` refuses "
        "what is known less well.",
        wrong="lfm-arch cost specs/lfm2-1.2b.yaml --hw cerebras --strict calibrated",
        right="lfm-arch cost specs/lfm2-1.2b.yaml --hw apple --strict calibrated",
    ),
    Code(
        "E713",
        "an impossible scenario",
        "Prompt, generated tokens and batch are whole numbers of at least one.",
        wrong="lfm-arch cost specs/lfm2-1.2b.yaml --hw apple --prompt 0",
        right="lfm-arch cost specs/lfm2-1.2b.yaml --hw apple --prompt 1024",
    ),
    Code(
        "E714",
        "not an autoregressive model",
        "A scenario of prompt and generated tokens needs a model that decodes: every mixer is causal and a head scores "
        "the next token.",
        wrong="lfm-arch cost encoder.yaml --hw apple    # attention with direction: bidirectional",
        right="lfm-arch show encoder.yaml               # counts need no decoding",
    ),
    Code(
        "E715",
        "what links the chips is unknown",
        "A model on several chips sends activations between them. Without the profile's `link` no time is predicted.",
        wrong="lfm-arch cost specs/lfm2-8b-a1b.yaml --hw raspberry-pi-5 --chips 2",
        right="lfm-arch cost specs/lfm2-8b-a1b.yaml --hw mi300x --chips 2",
    ),
)
