"""Mistakes that a study can meet, as `lfm-arch explain` tells them."""

from lfm_arch.core.errors import Code

CODES: tuple[Code, ...] = (
    Code(
        "E951",
        "another search is running in this directory",
        "A search locks its directory for as long as it runs; the lock goes when its process ends, however it ends. "
        "Two searches in one directory would evaluate the same candidates twice.",
        wrong="lfm-arch search --hw cerebras & lfm-arch search --hw cerebras",
        right="lfm-arch search --hw cerebras & lfm-arch search --hw apple",
    ),
    Code(
        "E952",
        "the directory holds another study",
        "A search goes on from the records in its directory, which is right only when nothing has changed that values "
        "depend on: space, hardware, scenario, objectives, budgets, quality settings, data, seed, version. More trials "
        "or more time are still the same study.",
        wrong="lfm-arch search --hw cerebras --seed 1   # where --seed 0 has run",
        right="lfm-arch search --hw cerebras --seed 1 --output reports/seed-1",
    ),
    Code(
        "E953",
        "a result cannot be written",
        "Every finished trial is on the disk before the next one starts. When that fails, because the disk is full or "
        "the directory is not writable, the search ends; what was written before is whole, and the same command goes "
        "on from there.",
        wrong="lfm-arch search --output /full/disk",
        right="lfm-arch search --output /roomy/disk",
    ),
    Code(
        "E954",
        "the records are damaged",
        "A line of records.jsonl, or study.json, is not what a search writes. A last line that a crash cut short is no "
        "damage: it is removed, and its trial repeated.",
        wrong="lfm-arch search   # after records.jsonl was edited by hand",
        right="lfm-arch search --fresh",
    ),
    Code(
        "E955",
        "an objective or floor that cannot be",
        "Objectives are metrics that this version knows, in the direction in which they are better, and measured ones "
        "need training.",
        wrong="objectives: {decode_step_s: maximize}",
        right="objectives: {decode_step_s: minimize}",
    ),
    Code(
        "E956",
        "nothing to decide",
        "The study names a model, in which everything is decided, where a space is needed.",
        wrong="space: ../specs/lfm2-1.2b.yaml",
        right="space: ../specs/spaces/lfm-edge.yaml",
    ),
    Code(
        "E957",
        "an objective is unknown on this hardware",
        "A profile leaves out what nobody knows, and nothing is guessed. A number that is unknown for every candidate "
        "can neither order nor limit them.",
        wrong="objectives: {energy_per_token_j: minimize}   # on a device whose power nobody measured",
        right="objectives: {decode_step_s: minimize}",
    ),
    Code(
        "E958",
        "an objective was not measured",
        "The quality measure of this study gives no value for one of its objectives.",
        wrong="objectives: {recall: maximize}\nquality: {recall: null}",
        right="objectives: {recall: maximize}",
    ),
    Code(
        "E959",
        "a candidate failed unexpectedly",
        "Building or training this candidate raised an error that is nobody's rule. It is recorded with the place "
        "where it was raised, and the search goes on. Please report it with the candidate's spec.",
        wrong='reports/<study>/records.jsonl: {"error": "E959 RuntimeError: ..."}',
        right="lfm-arch build <the spec in that record>",
    ),
    Code(
        "E961",
        "not a duration",
        "A time is a number of seconds, or a number with s, m or h.",
        wrong="lfm-arch search --time ten",
        right="lfm-arch search --time 10m",
    ),
)
