"""Rules that calling a lowered model can break."""

from lfm_arch.core.errors import Code

CODES: tuple[Code, ...] = (
    Code(
        "E800",
        "a name that the module needs itself",
        "Featurizers and heads become attributes of the model, a torch module, which has attributes of its own.",
        wrong="featurizers: {forward: {type: token_embedding, vocab_size: 256}}",
        right="featurizers: {text: {type: token_embedding, vocab_size: 256}}",
    ),
    Code(
        "E801",
        "a model called without input",
        "At least one of the inputs that make the stream must be given, and with it those that operators are"
        " conditioned on, unless an earlier pass over the same state was given them.",
        wrong="model(mask=mask)",
        right="model(ids, mask=mask)",
    ),
    Code(
        "E802",
        "a mask of another length",
        "The mask has a column for every position, those of earlier passes included, and is true at real tokens.",
        wrong="model(ids[:, 4:], mask=mask[:, 4:], state=state)",
        right="model(ids[:, 4:], mask=mask, state=state)",
    ),
    Code(
        "E803",
        "more positions than the state has room for",
        "A growing cache is allocated once; its capacity must hold the prompt and all that is generated.",
        wrong="model(ids_1_100, state=new_state(model, batch=1, capacity=64))",
        right="model(ids_1_100, state=new_state(model, batch=1, capacity=128))",
    ),
    Code(
        "E804",
        "placeholders and vectors differ in number",
        "In an interleaved text every placeholder token is replaced by one vector of its stream.",
        wrong="model(text=[[1, 396, 2]], image=<an image of 4 patches>)",
        right="model(text=[[1, 396, 396, 396, 396, 2]], image=<an image of 4 patches>)",
    ),
    Code(
        "E805",
        "a part without a name in a foreign family",
        "Weights go to and from a Hugging Face family by tables of names that parts carry. A part that the family does"
        " not have is in no table.",
        wrong="an adaptive_linear in a model to be stored as lfm2",
        right="the operators of LFM2: short_conv, attention, swiglu",
    ),
    Code(
        "E806",
        "a foreign checkpoint of another architecture",
        "Every tensor of the checkpoint must be one of the architecture, of the same shape, and none may be missing.",
        wrong="the weights of LFM2-700M for the spec of LFM2-350M",
        right="the weights of LFM2-350M for the spec of LFM2-350M",
    ),
)
