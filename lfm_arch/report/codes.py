"""What can be wrong with a report's input."""

from lfm_arch.core.errors import Code

CODES: tuple[Code, ...] = (
    Code(
        "E960",
        "not a study directory",
        "A report is made from study.json and records.jsonl, which `lfm-arch search` writes as it runs. One of them is "
        "missing, cannot be read, or holds something else. A last line torn by a crash is passed over.",
        wrong="lfm-arch report reports",
        right="lfm-arch report reports/lfm-edge",
    ),
)
