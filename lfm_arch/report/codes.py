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
    Code(
        "E962",
        "a page that cannot be written",
        "The folder cannot be made or written, the disk is full, or a folder has the page's name. An older page is "
        "untouched and nothing half-written is left.",
        wrong="lfm-arch report specs/lfm2-350m.yaml -o /proc/lfm2.html",
        right="lfm-arch report specs/lfm2-350m.yaml -o lfm2.html",
    ),
)
