"""A build directory as one GGUF file for llama.cpp's `lfm2`, written tensor by tensor.

Names and keys: gguf-py and llama.cpp's src/models/lfm2.cpp. Attention and convolution layers are told apart by the
number of key/value heads, which is 0 for a convolution; the norm behind the last layer is called token_embd_norm;
the kernel of a convolution stays float32 in two dimensions.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

from torch import Tensor

from lfm_arch.core.errors import BuildError, Diagnostic
from lfm_arch.export.configuration import read_values
from lfm_arch.export.families.lfm2 import LFM2, against_llama_cpp
from lfm_arch.export.family import Runtime
from lfm_arch.export.fit import fit, refuse_misfit
from lfm_arch.export.hugging_face import GENERATION, Exported, opened
from lfm_arch.export.tensors import Files, disk_names
from lfm_arch.graph.graph import Graph
from lfm_arch.operators.attention.declaration import Attention

FORMATS = ("f32", "f16", "bf16", "q8_0", "q4_0")
"""What matrices can be stored as; K-quants are made of an f16 file by llama.cpp's own llama-quantize."""
CONTEXT = 128_000
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""How the tokenizers that llama.cpp calls `lfm2` cut text into words."""
_NORMAL, _CONTROL, _UNUSED = 1, 3, 5


def to_gguf(
    directory: Path, target: Path, *, weights: str = "f16", progress: Callable[[int], None] = lambda _: None
) -> Exported:
    """Write a build directory as a GGUF file.

    Args:
        directory: as `lfm-arch build` wrote it; a tokenizer.json in it goes along if llama.cpp knows its kind.
        target: a file that is not there yet.
        weights: one of `FORMATS`; rows that fill no whole block stay f16.
        progress: told the bytes of every tensor once it is written.

    Raises:
        BuildError: E840, it is no LFM2; E848, an LFM2 that llama.cpp does not run; E846, gguf is not installed; E810
            and E811, the target; E812 to E818, the directory.
    """
    if find_spec("gguf") is None:
        raise BuildError(Diagnostic("E846", "gguf is not installed", help="pip install 'lfm-arch[gguf]'"))
    _, _, graph = opened(directory)
    refuse_misfit(fit(graph, LFM2))
    reasons = against_llama_cpp(graph)
    if reasons:
        raise BuildError(
            Diagnostic("E848", reason, because="llama.cpp's lfm2 is one shape of model", help="export with --to hf")
            for reason in reasons
        )
    if target.exists():
        raise BuildError(
            Diagnostic("E810", f"{target} is there", because="an export never writes over anything", help="choose -o")
        )
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        cut, note = _write(directory, partial, graph, weights, progress)
        size_bytes = partial.stat().st_size
        partial.replace(target)
    except OSError as error:
        message = f"{target} cannot be written: {error.strerror or error}"
        raise BuildError(Diagnostic("E811", message, because="a file is written whole or not at all")) from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    # without a vocabulary nobody has tried
    runtimes = (Runtime("llama.cpp", True if cut else None, note),)
    return Exported(target, "lfm2", "gguf", {}, (target.name,), size_bytes, runtimes)


def _write(
    directory: Path, path: Path, graph: Graph, weights: str, progress: Callable[[int], None]
) -> tuple[str | None, str]:
    import gguf

    config = LFM2.write(graph)
    writer: Any = gguf.GGUFWriter(path, "lfm2")
    writer.add_name(graph.name)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    kv = config["num_key_value_heads"]
    writer.add_head_count_kv([kv if isinstance(node.part.mixer, Attention) else 0 for node in graph.layers])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_shortconv_l_cache(config["conv_L_cache"])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    stored = {name: gguf.GGMLQuantizationType[name.upper()] for name in FORMATS}
    kinds = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0", "q4_0": "MOSTLY_Q4_0"}
    writer.add_file_type(gguf.LlamaFileType[kinds[weights]])
    cut_as, note = _add_tokenizer(writer, directory, config["vocab_size"])
    try:
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LFM2, len(graph.layers))
        with Files(directory) as files:
            plan: list[tuple[str, Any]] = []
            for theirs, cut in disk_names(graph, LFM2).items():
                shape = _shape(theirs, files.entries[cut.ours].shape)
                form = stored[weights] if len(shape) == 2 and not theirs.endswith("conv.conv.weight") else stored["f32"]
                if shape[-1] % gguf.GGML_QUANT_SIZES[form][0]:
                    form = stored["f16"]
                name = names.get_name(theirs, try_suffixes=(".weight",))
                assert name is not None, f"gguf has no name for {theirs}"
                in_bytes = gguf.quant_shape_to_byte_shape(shape, form)
                writer.add_tensor_info(name, shape, _numpy(form), prod(in_bytes), form)
                plan.append((cut.ours, form))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for array in _arrays(files, plan):
                writer.write_tensor_data(array)
                progress(array.nbytes)
    finally:
        writer.close()
    return cut_as, note


def _shape(theirs: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape in the file: a kernel has no middle axis of one."""
    return (shape[0], shape[2]) if theirs.endswith("conv.conv.weight") else shape


def _arrays(files: Files, plan: list[tuple[str, Any]]) -> Iterator[Any]:
    import gguf

    for ours, form in plan:
        values: Tensor = files.read(ours)
        values = values.squeeze(1) if values.ndim == 3 else values
        yield gguf.quantize(values.float().numpy(), form)


def _numpy(form: Any) -> Any:
    import numpy as np

    # quantised rows are described by their shape in numbers, not in bytes
    return {"F32": np.dtype(np.float32), "F16": np.dtype(np.float16)}.get(form.name, np.dtype(np.int8))


def _add_tokenizer(writer: Any, directory: Path, vocab_size: int) -> tuple[str | None, str]:
    """Store the vocabulary if llama.cpp can cut text as the tokenizer does.

    Returns:
        What llama.cpp calls the way of cutting, None without a vocabulary; and what to tell the user.
    """
    path = directory / "tokenizer.json"
    words = read_values(path) if path.is_file() else {}
    pre = _cutting(words)
    if pre is None:
        writer.add_tokenizer_model("no_vocab")
        why = "its tokenizer.json is of a kind that was not matched" if words else "the build has no tokenizer.json"
        return None, f"by token ids: {why}, so the file holds no vocabulary"
    model = words["model"]
    by_id = {number: word for word, number in model["vocab"].items()}
    special = {each["id"]: each for each in words.get("added_tokens", ())}
    by_id |= {number: each["content"] for number, each in special.items()}
    tokens = [by_id.get(number, f"[PAD{number}]") for number in range(vocab_size)]
    types = [
        _UNUSED if number not in by_id else _CONTROL if special.get(number, {}).get("special") else _NORMAL
        for number in range(vocab_size)
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([each if isinstance(each, str) else " ".join(each) for each in model["merges"]])
    ids = read_values(directory / GENERATION) if (directory / GENERATION).is_file() else {}
    for key, add in (
        ("bos_token_id", writer.add_bos_token_id),
        ("eos_token_id", writer.add_eos_token_id),
        ("pad_token_id", writer.add_pad_token_id),
    ):
        value = ids.get(key)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, int):
            add(value)
    begins = isinstance(ids.get("bos_token_id"), int) and '"TemplateProcessing"' in json.dumps(words)
    writer.add_add_bos_token(begins)
    return pre, f"with its vocabulary, cut as {pre}"


def _cutting(words: dict[str, Any]) -> str | None:
    """Return what llama.cpp calls the tokenizer's way of cutting text; None when it is another."""
    if words.get("model", {}).get("type") != "BPE" or words.get("normalizer"):
        return None
    pre = words.get("pre_tokenizer") or {}
    steps = pre.get("pretokenizers", [pre])
    kinds = [each.get("type") for each in steps]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True) and not steps[0].get("add_prefix_space"):
        return "gpt-2"
    if kinds == ["Split", "ByteLevel"] and steps[0].get("pattern", {}).get("Regex") == _LLAMA3:
        return "lfm2" if not steps[1].get("use_regex", True) else None
    return None
