"""Rules that an architecture as a whole can break; the table of `compile` says where each is checked."""

from lfm_arch.core.errors import Code

CODES: tuple[Code, ...] = (
    Code(
        "E401",
        "a stack without layers",
        "A model is a stack of at least one layer. Depth is counted from `depth_groups`, never written.",
        wrong="depth_groups: []",
        right="depth_groups: [{name: trunk, stack: 2*conv attn}]",
    ),
    Code(
        "E402",
        "a name that is taken",
        "Inputs, featurizers and heads are called by their names, so a name belongs to one of them. `fusion`, "
        "`final_norm`, `output`, `mask`, `state`, `keep` and `observed` mean something in every model, and words of "
        "Python such as `class` cannot be arguments.",
        wrong="featurizers: {text: {...}}\nheads: {text: {type: lm_head, tied_to: text}}",
        right="featurizers: {text: {...}}\nheads: {lm: {type: lm_head, tied_to: text}}",
    ),
    Code(
        "E403",
        "parts that wait for each other",
        "Values flow from inputs to outputs. A featurizer cannot read, through others, what it makes itself, nor own "
        "weights together with a featurizer that is computed before it.",
        wrong="a: {type: pooled, source: b, size: 8}\nb: {type: pooled, source: a, size: 8}",
        right="a: {type: pooled, source: text, size: 8}",
    ),
    Code(
        "E404",
        "a featurizer that does not exist",
        "Featurizers, operators, fusion and sharing name featurizers under `featurizers`.",
        wrong="featurizers: {text: {...}, topic: {type: pooled, source: txt, size: 8}}",
        right="featurizers: {text: {...}, topic: {type: pooled, source: text, size: 8}}",
    ),
    Code(
        "E405",
        "a layer that does nothing",
        "A layer has a mixer, a channel mixer or both. `placement: parallel` adds both, so it needs both.",
        wrong="blocks: {conv: {}}",
        right="blocks: {conv: {mixer: conv, channel: swiglu}}",
    ),
    Code(
        "E406",
        "a part in a place that it is not made for",
        "Mixers move information between tokens, channel mixers work on every token alone. An operator says which of "
        "the two it can be.",
        wrong="blocks: {conv: {mixer: swiglu, channel: conv}}",
        right="blocks: {conv: {mixer: conv, channel: swiglu}}",
    ),
    Code(
        "E407",
        "streams that do not meet",
        "One stream goes into the stack: the only one, or of several the one that nothing else reads. Otherwise "
        "`fusion` says how they become one. Feature vectors are no streams.",
        wrong="featurizers: {text: {type: token_embedding, ...}, image: {type: image_patches, ...}}",
        right="featurizers: {...}\nfusion: {type: prefix, streams: [image, text]}",
    ),
    Code(
        "E408",
        "a fusion that does not fit its streams",
        "Fusion joins two or more different streams. `interleave` puts the vectors of each stream in the places of a "
        "placeholder token of the text, so each needs an id of its own that the text knows. With `cross_attention` the "
        "first stream goes into the stack and an operator reads each other one.",
        wrong="fusion: {type: interleave, streams: [text, image]}",
        right="fusion: {type: interleave, streams: [text, image], placeholders: {image: 396}}",
    ),
    Code(
        "E409",
        "a featurizer that nothing reads",
        "What is computed and not used is a mistake: perhaps a name is misspelled where it should be read.",
        wrong="featurizers: {text: {...}, topic: {type: pooled, source: text, size: 8}}    # no operator reads topic",
        right="featurizers: {text: {...}}",
    ),
    Code(
        "E420",
        "experts without a channel mixer to replace",
        "Experts stand in place of the channel mixers of layers that exist.",
        wrong="moe: [{layers: 2..40, num_experts: 8, experts_per_token: 2}]    # of 16 layers",
        right="moe: [{layers: 2.., num_experts: 8, experts_per_token: 2}]",
    ),
    Code(
        "E421",
        "experts placed twice",
        "A layer gets its experts from one entry of `moe`.",
        wrong="moe: [{layers: 2.., num_experts: 8, ...}, {layers: 4..6, num_experts: 16, ...}]",
        right="moe: [{layers: 2..3, num_experts: 8, ...}, {layers: 4..6, num_experts: 16, ...}]",
    ),
    Code(
        "E422",
        "experts that cannot be made",
        "An entry of `moe` has the fields of the `moe` operator. The kind of an expert and its intermediate_size are "
        "taken over from the channel mixer that is replaced, when they are not written and it has them.",
        wrong="moe: [{layers: 2.., num_expert: 8, experts_per_token: 2}]",
        right="moe: [{layers: 2.., num_experts: 8, experts_per_token: 2}]",
    ),
    Code(
        "E430",
        "sharing among layers that are not there",
        "An entry of `sharing` is about two or more different layers of the stack.",
        wrong='sharing: [{weights: [channel], among: "3"}]',
        right='sharing: [{weights: [channel], among: "3..6"}]',
    ),
    Code(
        "E431",
        "a depth group that is no whole number of passes",
        "A depth group repeats its stack, so its layers are so many equal passes.",
        wrong="a group of 5 layers with repeat 2, made in Python",
        right="a group of 6 layers with repeat 2",
    ),
    Code(
        "E432",
        "different layers that share weights",
        "Layers own one copy of weights when they declare that part equally. A layer that takes a feature from an "
        "earlier one may share with layers that compute it when the owner, the first, is one of those.",
        wrong='overrides: {"4": {mixer.kernel_size: 5}}\nsharing: [{weights: [mixer], among: "3..4"}]',
        right='sharing: [{weights: [mixer], among: "3..4"}]',
    ),
    Code(
        "E433",
        "a feature that is read before it is computed",
        "The first layer named computes, the others read: it comes first in the stack too.",
        wrong="layers (4, 2) of a SharedFeatures, made in Python",
        right="layers (2, 4)",
    ),
    Code(
        "E434",
        "a feature shared twice",
        "A layer hands a feature on or takes it from one layer, so it is in one entry for that feature.",
        wrong='sharing: [{features: kv, among: "2, 5"}, {features: kv, among: "5, 8"}]',
        right='sharing: [{features: kv, among: "2, 5, 8"}]',
    ),
    Code(
        "E435",
        "a feature that nothing computes",
        "Operators say which features they compute: attention computes `kv`, adaptive operators `condition`. The first "
        "layer of an entry computes it; the others could have, and take it instead.",
        wrong='sharing: [{features: kv, among: "conv[*]"}]',
        right='sharing: [{features: kv, among: "attn[*]"}]',
    ),
    Code(
        "E436",
        "a feature that does not fit its reader",
        "Keys and values fit layers with the same key heads, sizes, rotation and window; other features likewise.",
        wrong='overrides: {"attn[1]": {mixer.num_kv_heads: 4}}\nsharing: [{features: kv, among: "attn[0..1]"}]',
        right='sharing: [{features: kv, among: "attn[0..1]"}]',
    ),
    Code(
        "E437",
        "a feature that never arrives",
        "Some operators only take a feature and never compute it; an entry of `sharing` says from which layer.",
        wrong="operators: {attn: {type: shared_kv_attention, ...}}    # and no sharing of kv",
        right="sharing: [{features: kv, among: ...}]    # an attention layer first",
    ),
    Code(
        "E438",
        "different featurizers that share weights",
        "Featurizers own one copy of weights when they are declared equally; only what they read may differ. Each is "
        "in one such entry.",
        wrong="a: {type: pooled, source: text, size: 8}\nb: {type: pooled, source: image, size: 16}    # shared",
        right="a: {type: pooled, source: text, size: 8}\nb: {type: pooled, source: image, size: 8}    # shared",
    ),
    Code(
        "E440",
        "a stream of another width",
        "What goes into the stack is as wide as the stack, hidden_size.",
        wrong="a featurizer of a plug-in that gives [batch, tokens, 64] in a model of hidden_size 128",
        right="one that gives [batch, tokens, 128]",
    ),
    Code(
        "E441",
        "a value that does not fit its reader",
        "Featurizers and operators say which sizes they expect of what they read by name.",
        wrong="topic: {type: pooled, source: text, size: 8}\ncondition: {type: featurizer, name: topic, size: 16}",
        right="condition: {type: featurizer, name: topic, size: 8}",
    ),
    Code(
        "E442",
        "a language model that sees what it predicts",
        "An lm_head scores the next token at every position, so no layer may see the tokens behind a position.",
        wrong="operators: {attn: {type: attention, direction: bidirectional, ...}}\nheads: {lm: {type: lm_head, ...}}",
        right="operators: {attn: {type: attention, direction: causal, ...}}",
    ),
    Code(
        "E443",
        "a language model conditioned on what it predicts",
        "A vector pooled from the whole text has seen every token of it. In a language model operators may be "
        "conditioned on another input, or causally: `condition: {type: running_mean}` or `{type: token}`.",
        wrong="topic: {type: pooled, source: text, size: 8}    # read by operators of a model with an lm_head",
        right="condition: {type: running_mean, size: 8}",
    ),
    Code(
        "E501",
        "not the expected number of parameters",
        "`expect.params` is what a file says its model has. Shared weights and tied heads count once, buffers do not.",
        wrong="expect: {params: 1_000_000_000}",
        right="expect: {params: 1_170_340_608}",
    ),
    Code(
        "E502",
        "not the expected number of active parameters",
        "`expect.active_params` counts what one token uses: of the routed experts of a layer those that it is sent to.",
        wrong="expect: {active_params: 1_000_000_000}",
        right="expect: {active_params: 1_557_740_288}",
    ),
    Code(
        "E503",
        "not the expected number of layers",
        "`expect.layers` counts the layers of all depth groups, repeats included.",
        wrong="expect: {layers: 12}",
        right="expect: {layers: 16}",
    ),
    Code(
        "E504",
        "not the expected layout",
        "`expect.layout` has one letter a layer: the initial of the last word of the mixer's type, upper case when it "
        "sees every earlier token, S when it sees a window of them, - when there is no mixer.",
        wrong="expect: {layout: ccA}",
        right="expect: {layout: ccAccAccAcAcAcAc}",
    ),
    Code(
        "E505",
        "not the expected cache",
        "`expect.kv_bytes_per_token` is what each further token adds to the caches of all layers, in 16 bit elements. "
        "Windows stop growing and do not count, and layers that read another layer's keys and values have none.",
        wrong="expect: {kv_bytes_per_token: 16 KiB}",
        right="expect: {kv_bytes_per_token: 12 KiB}",
    ),
    Code(
        "E510",
        "a constraint that is neither true nor false",
        "A constraint is a comparison, or several joined by `and`, `or`, `not`.",
        wrong="constraints: [{check: params}]",
        right="constraints: [{check: params <= 1.3 G}]",
    ),
    Code(
        "E511",
        "a constraint that does not hold",
        "A model must satisfy the constraints of its file; a search discards candidates that do not.",
        wrong="constraints: [{check: layers <= 8, why: latency}]    # of 16 layers",
        right="constraints: [{check: layers <= 16, why: latency}]",
    ),
)
