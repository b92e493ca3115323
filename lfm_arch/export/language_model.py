"""`LfmArchForCausalLM`: a lowered model as transformers' tools want one, so that Trainer, PEFT and lm-eval work.

    from lfm_arch.export.hugging_face import register
    register()
    model = AutoModelForCausalLM.from_pretrained("runs/my-model-hf")      where lfm-arch is installed

The configuration holds the whole architecture as plain values; no code is copied into the checkpoint.

Axes: B batch, T new tokens, S past and new tokens, V vocabulary.
"""

import json
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from lfm_arch.export.cache import LfmArchCache
from lfm_arch.export.hugging_face import MODEL_TYPE, custom_fields
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.graph import Graph
from lfm_arch.lower.compile import lower, parts
from lfm_arch.lower.model import Model
from lfm_arch.lower.names import own_tensors
from lfm_arch.spec.arch import ArchSpec

CACHE = "cache" if "cache" in CausalLMOutputWithPast.__dataclass_fields__ else "past_key_values"
"""What transformers calls the state of a sequence; renamed in 5.24."""


class LfmArchConfig(PreTrainedConfig):
    """An architecture as plain values, in `architecture`; the other fields repeat what tools look for."""

    model_type = MODEL_TYPE

    architecture: dict[str, Any] | None = None
    vocab_size: int = 0
    hidden_size: int = 0
    num_hidden_layers: int = 0
    use_cache: bool = True
    tie_word_embeddings: bool = False

    @classmethod
    def of(cls, spec: ArchSpec, **fields: Any) -> "LfmArchConfig":
        """Make the configuration of an architecture.

        Raises:
            BuildError: E847, it is no language model.
        """
        return cls(**custom_fields(spec, compile_graph(spec)), **fields)

    @property
    def spec(self) -> ArchSpec:
        """The architecture."""
        assert self.architecture is not None, "a configuration without an architecture"
        return ArchSpec.model_validate_json(json.dumps(self.architecture))


class LfmArchForCausalLM(PreTrainedModel, GenerationMixin):
    """A lowered model in `model`, with loss, cache and `generate`."""

    config_class = LfmArchConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    _no_split_modules = ["Block"]

    def __init__(self, config: LfmArchConfig, **_: Any) -> None:
        super().__init__(config)
        self.graph: Graph = compile_graph(config.spec)
        # transformers makes a model on the meta device before it reads weights into it
        device = torch.empty(0).device
        self._made_empty = device.type == "meta"
        self.model: Model = lower(self.graph, device=device, dtype=torch.get_default_dtype())
        owned = own_tensors(self.model)
        places = {id(tensor): name for name, tensor in self._tensors().items() if name in owned}
        self._tied_weights_keys = {
            f"model.{name}": f"model.{places[id(tensor)]}"
            for name, tensor in self._tensors().items()
            if name not in owned and id(tensor) in places
        }
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        cache: LfmArchCache | None = None,
        past_key_values: LfmArchCache | None = None,
        logits_to_keep: int = 0,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **loss: Any,
    ) -> CausalLMOutputWithPast | tuple[Any, ...]:
        """Score the next token of every position.

        Args:
            input_ids: `[B, T]`.
            attention_mask: `[B, S]`, 1 at real tokens; positions are counted over them, padding goes left.
            labels: `[B, T]`, -100 where no loss is wanted; shifted here.
            use_cache: return a cache to continue from; not by default, `generate` asks for one.
            cache: from an earlier pass, continued in place.
            past_key_values: what older transformers call the cache.
            logits_to_keep: positions at the end to score; 0 for all.
            inputs_embeds: refused: the model's input is token ids.
            output_attentions: refused where true.
            output_hidden_states: refused where true.
            return_dict: False for a tuple.
            loss: passed to the loss, as `num_items_in_batch`.
        """
        if input_ids is None or inputs_embeds is not None:
            raise ValueError("LfmArchForCausalLM takes input_ids: its first layer may be more than a table of vectors")
        if output_attentions or output_hidden_states:
            raise ValueError("LfmArchForCausalLM returns neither attentions nor hidden states: leave both out")
        cache = past_key_values if cache is None else cache
        if cache is None and use_cache:
            cache = LfmArchCache(self.model)
        state = None if cache is None else cache.room_for(*input_ids.shape)
        mask_BS = None if attention_mask is None or bool(attention_mask.all()) else attention_mask.bool()
        keep = {"keep": logits_to_keep} if logits_to_keep else {}
        logits_BTV = self.model(**{self.model.facts.text_input: input_ids}, mask=mask_BS, state=state, **keep)
        if isinstance(logits_BTV, dict):
            logits_BTV = logits_BTV[self.model.facts.text_output]
        lost = None
        if labels is not None:
            lost = self.loss_function(logits=logits_BTV, labels=labels, vocab_size=self.config.vocab_size, **loss)
        fields: dict[str, Any] = {"loss": lost, "logits": logits_BTV, CACHE: cache}
        output = CausalLMOutputWithPast(**fields)
        return output if return_dict is not False else output.to_tuple()

    def get_input_embeddings(self) -> nn.Module:
        """Return the table of tokens."""
        return self.model.get_submodule(self.model.facts.text_input)

    def get_output_embeddings(self) -> None:
        """Return None: the head is not an `nn.Linear` of its own where it is tied."""

    def _prepare_cache_for_generation(
        self,
        generation_config: Any,
        model_kwargs: dict[str, Any],
        generation_mode: Any,
        batch_size: int,
        max_cache_length: int,
    ) -> bool:
        """Allocate what the whole generation needs at once."""
        del generation_mode, batch_size
        wanted = generation_config.use_cache is not False and model_kwargs.get(CACHE) is None
        if wanted:
            model_kwargs[CACHE] = LfmArchCache(self.model, capacity=max_cache_length + 1)
        return wanted

    def _tensors(self) -> dict[str, Tensor]:
        named = dict(self.model.named_parameters(remove_duplicate=False))
        return named | dict(self.model.named_buffers(remove_duplicate=False))

    def _init_weights(self, module: nn.Module) -> None:
        """Leave a module as it is: see `initialize_weights`."""

    @torch.no_grad()
    def initialize_weights(self) -> None:
        """Give tensors that no file held the first values that the architecture declares.

        A model made from a configuration alone has them already; one made for a checkpoint is empty before it is read.
        """
        if not self._made_empty:
            return
        lacking = {
            name: tensor
            for name, tensor in self._tensors().items()
            if not getattr(tensor, "_is_hf_initialized", False) and tensor.device.type != "meta"
        }
        if not lacking:
            return
        for part in parts(self.graph, device=torch.device("cpu"), dtype=torch.float32, seed=0):
            for name, tensor in [*part.module.named_parameters(), *part.module.named_buffers()]:
                found = lacking.get(f"{part.name}.{name}")
                if found is not None:
                    found.copy_(tensor)
