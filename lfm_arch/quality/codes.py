"""Mistakes that measuring quality can meet, as `lfm-arch explain` tells them."""

from lfm_arch.core.errors import Code

CODES: tuple[Code, ...] = (
    Code(
        "E901",
        "no data to measure quality on",
        "Quality is measured on real bytes: the Python standard library's sources, or the file or folder that --data "
        "names. That path does not exist or cannot be read.",
        wrong="lfm-arch search --data texts   # no such folder",
        right="lfm-arch search --data ./texts",
    ),
    Code(
        "E902",
        "too little data to measure quality on",
        "About one file in ten validates, chosen by a hash of its name; of a single file the last tenth does. Training "
        "needs at least 64 KiB and validation 6.4 KiB, or the result would be about those few bytes.",
        wrong="lfm-arch search --data note.txt   # 2 KiB",
        right="lfm-arch search --data book.txt   # 200 KiB",
    ),
    Code(
        "E911",
        "the architecture has no small replica",
        "Candidates are trained as a narrower and shallower replica that reads bytes. That needs one token embedding, "
        "one language model head, and layers that read nothing but the text; sizes must stay legal when divided.",
        wrong="heads:\n  labels: {type: classifier, num_classes: 10, pool: mean}",
        right="heads:\n  lm: {type: lm_head, tied_to: text}",
    ),
    Code(
        "E921",
        "the training diverged",
        "The loss of the small replica became infinite or not a number, so there is no quality to report. The "
        "candidate is recorded as failed and the search goes on.",
        wrong="quality: {learning_rate: 10}",
        right="quality: {learning_rate: 0.006}",
    ),
    Code(
        "E922",
        "the training took too long",
        "The small replica did not finish its tokens within `time_limit_s`. The candidate is recorded as failed and "
        "the search goes on; a machine slower than the study expects needs a larger limit or fewer tokens.",
        wrong="quality: {tokens: 100 M, time_limit_s: 10 s}",
        right="quality: {tokens: 250 k, time_limit_s: 5 min}",
    ),
)
