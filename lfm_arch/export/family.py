"""What a Hugging Face family is, and its configuration read by a table. No torch.

A configuration is checked key by key before anybody reads it: legacy spellings are translated, what is left out gets
the value that transformers assumes, what is known not to matter is passed over, and everything else is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from lfm_arch.core.errors import BuildError, Diagnostic, Place
from lfm_arch.graph.graph import Graph
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.stack import MAX_LAYERS

Config = Mapping[str, Any]

IGNORED = frozenset(
    {
        # what the file is and who wrote it
        "architectures", "model_type", "transformers_version", "_name_or_path", "_commit_hash", "name_or_path",
        # the number format that weights were stored in; the weights themselves say it
        "dtype", "torch_dtype",
        # tokens that mean something to a tokenizer or a sampler
        "bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "sep_token_id", "tokenizer_class",
        "prefix", "suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id", "forced_eos_token_id",
        # first values, which a checkpoint replaces
        "initializer_range",
        # what a call returns, and how it computes the same numbers
        "use_cache", "return_dict", "output_attentions", "output_hidden_states", "output_scores",
        "output_router_logits", "_attn_implementation", "attn_implementation", "_attn_implementation_autoset",
        "chunk_size_feed_forward", "torchscript", "use_bfloat16", "is_decoder", "tf_legacy_loss",
        # losses of training
        "router_aux_loss_coef", "problem_type", "id2label", "label2id", "finetuning_task", "task_specific_params",
        # the longest text that was trained on; no default rotary embedding depends on it
        "max_position_embeddings",
    }
)  # fmt: skip
"""Keys of any family that change no logits."""
FIXED: Mapping[str, tuple[Any, ...]] = {
    "quantization_config": (None,),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "tie_encoder_decoder": (False,),
    "pruned_heads": ({}, None),
    "attention_dropout": (0, None),
    "hidden_act": ("silu", "swish"),
}
"""Keys of any family that change the logits, with the values under which they do not."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that a family reads."""

    name: str
    default: Any
    """What transformers assumes where it is left out."""
    kind: str = ""
    """`int`, `float`, `bool`, `list` or `dict`; that of the default unless it says otherwise."""
    optional: bool = False
    """Whether null means something although it is not the default."""

    @property
    def wanted(self) -> str:
        return self.kind or type(self.default).__name__


@dataclass(frozen=True, slots=True)
class ExpertNames:
    """How a checkpoint on disk names the matrices of single experts, which a running model holds stacked."""

    stacked: str
    """Where the running model has them, as `feed_forward.experts.`."""
    gate: str
    """With `{}` for the expert's number, as `feed_forward.experts.{}.w1.weight`."""
    up: str
    down: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """Whether another runtime runs an exported checkpoint, and how we know."""

    name: str
    runs: bool | None
    """None where nobody tried."""
    note: str


@dataclass(frozen=True, slots=True)
class Family:
    """One `model_type` of transformers."""

    model_type: str
    architecture: str
    """Name of the class that generates."""
    keys: tuple[Key, ...]
    read: Callable[["Reading"], ArchSpec | None]
    """Configuration -> architecture; None when a problem was found."""
    write: Callable[[Graph], dict[str, Any]]
    """The configuration that comes closest to a graph; whether it hits is found out by reading it back."""
    mixers: tuple[str, ...]
    """Operator types that its layers have."""
    channels: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Legacy key -> today's."""
    same: Mapping[str, str] = field(default_factory=dict)
    """A key that only repeats another one."""
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    experts: ExpertNames | None = None
    on_disk: tuple[str, str] | None = None
    """A piece of tensor names that a checkpoint spells otherwise than the running model: (running, on disk)."""
    since: str = ""
    """First version of transformers that has it."""
    runtimes: Callable[[Graph], tuple[Runtime, ...]] = lambda _: ()
    """Runtimes besides transformers."""
    limits: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda _: ()
    """What the family's class refuses although its numbers could say it."""


_THEIRS = {
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
    "kernel_size": "conv_L_cache",
    "window_size": "sliding_window",
    "experts_per_token": "num_experts_per_tok",
    "eps": "rms_norm_eps",
    "qk_norm_eps": "rms_norm_eps",
}
"""Our field -> the key that it comes from, to show the place of what a part refuses."""


@dataclass(slots=True)
class Reading:
    """A configuration with the problems that were found in it."""

    family: Family
    config: dict[str, Any]
    """Every key of the family's table, with its value or default."""
    name: str = "imported"
    locate: Callable[[str], Place | None] = lambda _: None
    problems: list[Diagnostic] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a reader of the spec should know, as a rule that turned one number into another."""

    def __getitem__(self, key: str) -> Any:
        return self.config[key]

    def refuse(self, code: str, key: str, message: str, *, because: str = "", help: str = "") -> None:
        """Remember a problem at a key."""
        self.problems.append(Diagnostic(code, message, self.locate(key), key, because=because, help=help))

    def make(self, part: type[BaseModel], **fields: Any) -> Any:
        """Make a declared part; what it refuses becomes a problem, and the part None."""
        try:
            return part(**fields)
        except ValidationError as error:
            for each in error.errors():
                said = each.get("ctx", {})
                path = ".".join(map(str, each["loc"])) or str(said.get("field", ""))
                message = str(said.get("message") or f"{path}={each['input']!r}: {each['msg']}")
                path = _THEIRS.get(path, path)
                self.refuse("E844", path, message, because=str(said.get("because", "")), help=str(said.get("help", "")))
            return None

    def finish(self) -> None:
        """Raise every problem.

        Raises:
            BuildError: E841, E842, E844.
        """
        if self.problems:
            # a number that two parts refuse is one mistake
            raise BuildError(dict.fromkeys(self.problems))


def check_keys(
    family: Family, values: Config, *, name: str = "imported", locate: Callable[[str], Place | None] = lambda _: None
) -> Reading:
    """Hold a configuration against its family's table; what is wrong is in `problems` of the result."""
    reading = Reading(family, {}, name, locate)
    layers = values.get("num_hidden_layers")
    if isinstance(layers, int) and layers > MAX_LAYERS:
        reading.refuse("E844", "num_hidden_layers", f"{layers:,} layers", because=f"at most {MAX_LAYERS:,}")
        values = {**values, "num_hidden_layers": 1}
    given = dict(values)
    for old, new in family.renamed.items():
        if old in given:
            value = given.pop(old)
            # where both stand, transformers lets the old spelling win
            given[new] = value
    fixed = {**FIXED, **family.fixed}
    known = {key.name for key in family.keys}
    for key in family.keys:
        value = given.get(key.name, key.default)
        if not _is(value, key):
            reading.refuse(
                "E841", key.name, f"{key.name} is {value!r}, expected {_WORDS[key.wanted]}", help="correct the file"
            )
            value = key.default
        reading.config[key.name] = value
    for name_, value in given.items():
        if name_ in known:
            continue
        if name_ in fixed:
            if value not in fixed[name_]:
                allowed = " or ".join(repr(each) for each in fixed[name_])
                message = f"{name_}={value!r} changes what the model computes"
                because = f"the language holds {family.model_type} with {name_}={allowed}"
                reading.refuse("E844", name_, message, because=because)
        elif name_ in family.same:
            other = family.same[name_]
            if value is not None and value != reading.config[other]:
                message = f"{name_}={value!r} contradicts {other}={reading.config[other]!r}"
                reading.refuse("E844", name_, message, because=f"in this family {name_} repeats {other}")
        elif name_ in IGNORED or name_ in family.ignored:
            reading.ignored.append(name_)
        else:
            reading.refuse(
                "E842",
                name_,
                f"{name_} is no key that a {family.model_type} is read by",
                because="an unknown key can change what the model computes",
                help=f"remove {name_} from the file if it changes nothing",
            )
    return reading


def is_number(value: Any) -> bool:
    """Tell a finite number from anything else that JSON may hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


_LARGE = 10**9
_LARGEST = 1e300
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "an object",
}


def _is(value: Any, key: Key) -> bool:
    if value is None:
        return key.optional or key.default is None
    if key.wanted == "float":
        return is_number(value)
    if key.wanted == "int":
        # numbers that no model has would be counted for ever
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGE
    return isinstance(value, {"bool": bool, "list": list, "dict": dict}[key.wanted])
