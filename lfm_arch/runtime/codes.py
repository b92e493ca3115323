"""Rules of build directories, checkpoints and generation."""

from lfm_arch.core.errors import Code

CODES: tuple[Code, ...] = (
    Code(
        "E810",
        "the output directory is in use",
        "A build never writes into a directory that holds something. With --force it replaces an earlier build, and"
        " only that: a directory that holds anything else is never removed.",
        wrong="lfm-arch build specs/lfm2-350m.yaml -o runs/lfm2-350m   # built before",
        right="lfm-arch build specs/lfm2-350m.yaml -o runs/lfm2-350m --force",
    ),
    Code(
        "E811",
        "the directory cannot be written",
        "The disk is full, or the place may not be written to. Whatever was begun is removed again.",
        wrong="lfm-arch build specs/lfm2-24b-a2b.yaml -o /mnt/small/lfm2",
        right="lfm-arch build specs/lfm2-24b-a2b.yaml --dtype bfloat16 -o /mnt/large/lfm2",
    ),
    Code(
        "E812",
        "not a build directory",
        "A build directory holds spec.yaml, card.json and, unless it was built with --meta, model.safetensors.",
        wrong="lfm-arch run specs/",
        right="lfm-arch run runs/lfm2-350m",
    ),
    Code(
        "E813",
        "a file of the build is damaged",
        "A file cannot be read as what it should be, or its contents are not those that the card lists.",
        wrong="truncate -s 1M runs/lfm2-350m/model.safetensors",
        right="lfm-arch build specs/lfm2-350m.yaml -o runs/lfm2-350m --force",
    ),
    Code(
        "E814",
        "tensors are missing or left over",
        "The weights must hold exactly the tensors of the architecture, each once.",
        wrong="a model.safetensors without layers.3.mixer.conv.weight",
        right="weights written by `lfm-arch build`, or by `lfm_arch.runtime.checkpoint.save`",
    ),
    Code(
        "E815",
        "a tensor has another shape",
        "Every tensor has the shape that the architecture declares.",
        wrong="layers.3.mixer.conv.weight of shape [1024, 1, 4] where kernel_size is 3",
        right="weights of the architecture in spec.yaml",
    ),
    Code(
        "E816",
        "a tensor has another number format",
        "The weights have the format that the card names; buffers have the format of their operator.",
        wrong="a tensor of float16 in a build of bfloat16",
        right="weights written by `lfm-arch build --dtype bfloat16`",
    ),
    Code(
        "E817",
        "the spec is not that of the weights",
        "The card holds the id of the architecture that was built; spec.yaml now describes another one.",
        wrong="editing spec.yaml in a build directory",
        right="lfm-arch build the-edited-spec.yaml",
    ),
    Code(
        "E818",
        "a build without weights",
        "A directory that was built with --meta holds counts, not weights.",
        wrong="lfm-arch build specs/lfm2-350m.yaml --meta -o runs/m && lfm-arch run runs/m --text hello",
        right="lfm-arch build specs/lfm2-350m.yaml -o runs/m && lfm-arch run runs/m --text hello",
    ),
    Code(
        "E820",
        "a model that cannot generate",
        "Generating needs a text input, a language model head over the same vocabulary, and causal layers only.",
        wrong="lfm-arch run runs/image-classifier --text hello",
        right="lfm-arch run runs/lfm2-350m --text hello",
    ),
    Code(
        "E821",
        "a prompt that the model cannot read",
        "A prompt has at least one token, and every id is below the vocabulary's size.",
        wrong="lfm-arch run runs/lfm2-350m --tokens 70000",
        right="lfm-arch run runs/lfm2-350m --tokens 1,2,3",
    ),
    Code(
        "E822",
        "text for a model without words",
        "Without a tokenizer.json text goes in as its bytes, which takes a vocabulary of at least 256.",
        wrong="lfm-arch run runs/tiny --text hello   # vocab_size: 100, no tokenizer.json",
        right="lfm-arch run runs/tiny --tokens 1,2,3",
    ),
    Code(
        "E823",
        "a device or number format that is not there",
        "torch cannot place tensors on this device, or knows no such number format.",
        wrong="lfm-arch build specs/lfm2-350m.yaml --device cuda   # no GPU",
        right="lfm-arch build specs/lfm2-350m.yaml --device cpu",
    ),
)
