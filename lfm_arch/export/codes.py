"""Rules of exchanging models with other runtimes."""

from lfm_arch.core.errors import Code

CODES: tuple[Code, ...] = (
    Code(
        "E840",
        "an architecture that no Hugging Face family has",
        "`--to hf` writes a checkpoint for a class that ships with transformers. Such a class has a few numbers for all"
        " of its layers and no operator besides its own; every layer and field that it cannot have is listed.",
        wrong="lfm-arch export runs/model-with-mamba --to hf",
        right="lfm-arch export runs/model-with-mamba --to hf-custom",
    ),
    Code(
        "E841",
        "not a Hugging Face configuration",
        "A config.json is a JSON object that says its model_type and gives numbers, lists and words where its family"
        " has them.",
        wrong='{"hidden_size": "large"}',
        right='{"model_type": "lfm2", "hidden_size": 1024}',
    ),
    Code(
        "E842",
        "a key that nothing here reads",
        "A key of a configuration can change what the model computes. Those that are known not to are passed over and"
        " listed; any other unknown key is refused, because the imported model could be another one.",
        wrong='{"model_type": "llama", "attention_temperature": 0.5}',
        right='{"model_type": "llama"}',
    ),
    Code(
        "E843",
        "a family that cannot be read",
        "Families are read by a table each; `lfm-arch import --help` lists them.",
        wrong='{"model_type": "t5"}',
        right='{"model_type": "lfm3"}',
    ),
    Code(
        "E844",
        "a setting that the language cannot hold",
        "The key is known, but no operator of the language computes what this value asks for, or two keys contradict"
        " each other.",
        wrong='{"model_type": "llama", "hidden_act": "gelu_new"}',
        right='{"model_type": "llama", "hidden_act": "silu"}',
    ),
    Code(
        "E845",
        "weights that are not safetensors",
        "Weights are read as safetensors and nothing else. Reading a pickle (.bin, .pt) runs whatever program is"
        " in it.",
        wrong="lfm-arch import old-model/ --weights runs/model   # holds pytorch_model.bin",
        right="lfm-arch import old-model/ --weights runs/model   # holds model.safetensors",
    ),
    Code(
        "E846",
        "a package that is not installed",
        "Some targets need a package that lfm-arch does not bring along: transformers for `--to hf-custom`.",
        wrong="lfm-arch export runs/model --to hf-custom   # without transformers",
        right="pip install 'lfm-arch[hf]'",
    ),
    Code(
        "E848",
        "an LFM2 that llama.cpp does not run",
        "llama.cpp's lfm2 has both convolutions and attention, heads that together are as wide as the model, and no"
        " biases in its convolutions. It ends the whole program on some of the others.",
        wrong="lfm-arch export runs/convolutions-only --to gguf",
        right="lfm-arch export runs/convolutions-only --to hf",
    ),
    Code(
        "E847",
        "a model that speaks no language",
        "Hugging Face's causal language models take token ids and give scores of the next token. A model with another"
        " input or head is none.",
        wrong="lfm-arch export runs/image-classifier --to hf-custom",
        right="lfm-arch export runs/lfm2-350m --to hf",
    ),
)
