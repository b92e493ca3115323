"""Words for the sections of a file, in the order in which files are usually written."""

Entry = tuple[str, str, str, tuple[str, ...], tuple[str, ...]]

SECTIONS: tuple[Entry, ...] = (
    (
        "lfm_arch",
        "The version of the language a file is written in, always the first line. There is one version, 1.",
        "lfm_arch: 1",
        ("version",),
        ("kind",),
    ),
    (
        "kind",
        "What a file is: `model` (every value settled), `space` (a model with decisions left open), `study` (what "
        "to search for in a space) or `hw` (a hardware profile). A model and a space are one language: a space is "
        "a model with holes.",
        "kind: model",
        ("model", "space"),
        ("$choice", "extends"),
    ),
    (
        "name",
        "What the architecture is called: in reports, in build directories, and nowhere in its identity. Two "
        "files that differ only in name and doc are the same architecture.",
        "name: my-model",
        (),
        ("doc",),
    ),
    (
        "doc",
        "One sentence for people: what is special about this architecture.",
        "doc: ten gated short convolutions and six grouped-query attention layers",
        (),
        ("name",),
    ),
    (
        "extends",
        "Inherits another file, or several from left to right; paths are relative to this file. Mappings merge "
        "key by key, everything else replaces, and a changed `type` drops the keys beside it, because they "
        "belonged to the old type. `null` takes an inherited key away.",
        "operators: {conv: {kernel_size: 5}}        # in a file that says extends: lfm2-1.2b.yaml",
        ("inheritance", "null"),
        ("$append",),
    ),
    (
        "$append",
        "Edits an inherited list instead of replacing it: `$append`, `$prepend` and `$remove` each take a list. "
        "`$remove` takes away equal elements; of a mapping it is enough to write some keys.",
        "depth_groups: {$append: [{name: tail, stack: 2*conv}]}",
        ("$prepend", "$remove"),
        ("extends",),
    ),
    (
        "dims",
        "Named numbers and words of the model, usable in every expression by their name. `hidden_size`, the width "
        "of the residual stream, must be there; all others are free. A dim may be computed from others, in any "
        "order.",
        'dims: {hidden_size: 1024, num_heads: 16, head_dim: "${div(hidden_size, num_heads)}"}',
        ("hidden_size",),
        ("expressions", "vars"),
    ),
    (
        "vars",
        "Named values that are decided once and used in many places, as `${vars.width}`: one name, one decision. "
        "Unlike dims they may hold anything, a whole operator too. In a space most decisions live here.",
        'vars: {width: {$choice: [1536, 2048]}}\ndims: {hidden_size: "${vars.width}"}',
        (),
        ("dims", "$choice", "scope"),
    ),
    (
        "featurizers",
        "How raw input enters: each turns text, an image, audio, video or vectors into a stream of vectors as "
        "wide as the model, or into one feature vector that conditions adaptive operators. The name is the name "
        "of the model's input. `lfm-arch explain token_embedding` and the like tell the fields of each type.",
        "featurizers:\n  text: {type: token_embedding, vocab_size: 128_000}",
        (),
        ("fusion", "heads"),
    ),
    (
        "fusion",
        "How several streams become one. `prefix` puts them one behind the other in the order of `streams`; "
        "`interleave` puts each stream's vectors where the text has that stream's placeholder token; "
        "`cross_attention` leaves them beside the text for operators that read them.",
        "featurizers:\n"
        "  image: {type: image_patches, patch_size: 16, channels: 3}\n"
        "fusion: {type: interleave, streams: [text, image], placeholders: {image: 17}}",
        ("streams", "placeholders"),
        ("featurizers",),
    ),
    (
        "operators",
        "Named token mixers and channel mixers, for blocks to use by name. A name never shares weights: every "
        "layer that names `attn` gets its own. An operator may also be spelled in place, inside a block.",
        "operators:\n"
        "  window: {type: attention, num_heads: 32, num_kv_heads: 8, head_dim: 64, window_size: 512}\n"
        "blocks:\n"
        "  attn: {mixer: window}",
        ("operator", "mixer", "channel"),
        ("blocks", "sharing"),
    ),
    (
        "blocks",
        "Kinds of residual layers. A block has a `mixer` that moves information between tokens, a `channel` mixer "
        "that works on each token alone, or both, and may change the norm of the file. Blocks are what a stack is "
        "made of.",
        "blocks:\n"
        "  wide: {mixer: conv, channel: {type: swiglu, intermediate_size: 12288}}\n"
        "depth_groups: [{name: trunk, stack: 2*wide 3*(conv attn)}]",
        ("block",),
        ("stack", "norm"),
    ),
    (
        "norm",
        "The norm of every layer, and where it stands. `placement` is pre: x + f(norm(x)), post: norm(x + f(x)), "
        "sandwich: x + norm(f(norm(x))), or parallel: mixer and channel mixer read one norm side by side. A block "
        "or an override may change some of its keys.",
        "norm: {type: rms_norm, eps: 1.0e-6, placement: sandwich}",
        ("placement",),
        ("final_norm", "blocks"),
    ),
    (
        "final_norm",
        "The norm behind the last layer. Left out, it is the norm of the layers; `null` is none.",
        "final_norm: {type: layer_norm, eps: 1.0e-5}",
        (),
        ("norm",),
    ),
    (
        "depth_groups",
        "The layers from bottom to top, as named groups. Each has a `name`, a `stack` of blocks, how often it is "
        "passed (`repeat`) and what the passes `share`. Depth is never written, it is counted.",
        "depth_groups:\n"
        "  - {name: stem, stack: 2*conv}\n"
        "  - {name: trunk, stack: 3*conv attn, repeat: 4, share: weights}",
        ("groups",),
        ("stack", "share"),
    ),
    (
        "stack",
        "A run of blocks with counts and brackets: `3*(2*conv attn) conv` is conv conv attn, three times, and one "
        "conv. The list form means the same and takes computed repeats.",
        "depth_groups: [{name: trunk, stack: [2*conv, {repeat: 3, of: [conv, attn]}]}]",
        ("stack strings", "repeat"),
        ("depth_groups", "$place"),
    ),
    (
        "share",
        "What the passes of a repeated group own together: `weights` (all of them), `mixer`, `channel`, or "
        "`none`. A group of 4 layers repeated 8 times with `share: weights` is 32 layers deep and has the weights "
        "of 4.",
        "depth_groups: [{name: loop, stack: 3*conv attn, repeat: 8, share: weights}]",
        (),
        ("depth_groups", "sharing"),
    ),
    (
        "overrides",
        "Changes to selected layers, laid over their blocks in the order written; a later one wins. Keys may be "
        "dotted: `mixer.kernel_size` is kernel_size in mixer. A changed `type` starts the operator afresh.",
        'overrides:\n  "0..1": {mixer.kernel_size: 5}\n  attn[-1]: {mixer.window_size: 1024}',
        (),
        ("selectors", "extends"),
    ),
    (
        "sharing",
        "Who owns one copy together: the only way to share anything. An entry says what, `weights` (mixer, "
        "channel, norm or layer), `features` (as kv: the first layer computes keys and values, the others read "
        "them) or `featurizers`, and `among` which layers; `group: 2` makes pairs of them.",
        "sharing:\n  - {features: kv, among: attn, group: 2}\n  - {weights: [channel], among: 'conv[3..6]'}",
        ("among", "group", "features"),
        ("share", "selectors"),
    ),
    (
        "moe",
        "Which layers get a mixture of experts in place of their channel mixer. `layers` selects them; the other "
        "keys are those of the operator `moe`. A size that is left out is taken from the channel mixer that is "
        "replaced.",
        'moe:\n  - {layers: "2..", num_experts: 32, experts_per_token: 4, intermediate_size: 1792, router: sigmoid}',
        ("experts", "num_experts", "experts_per_token"),
        ("selectors", "operators"),
    ),
    (
        "heads",
        "What comes out: a language model, a classifier, a regression, an embedding, or several at once under "
        "their names. `tied_to` borrows the table of a token embedding.",
        "heads:\n  lm: {type: lm_head, tied_to: text}\n  mood: {type: classifier, num_classes: 3, pool: last}",
        ("head", "tied_to"),
        ("featurizers",),
    ),
    (
        "expect",
        "What must come out; every check and build compares. `params`, `active_params`, `layers`, `layout` (see "
        "there) and `kv_bytes_per_token`, the growing cache of all layers in 16 bit elements. A file that extends "
        "another inherits its expectations, so it writes its own or `expect: null`.",
        "expect: {params: 1_170_340_608, layers: 16, kv_bytes_per_token: 12 KiB}",
        ("kv_bytes_per_token", "params", "active_params"),
        ("layout", "constraints", "units"),
    ),
    (
        "layout",
        "A stack as a word, one letter a layer: the initial of the last word of its mixer's type, upper case when "
        "it sees every earlier token (`A` attention), `S` when it remembers a window, lower case when what it "
        "remembers has a fixed size (`c` short_conv), `-` without a mixer.",
        "expect: {layout: ccAccAccAcAcAcAc}",
        (),
        ("expect", "stack"),
    ),
    (
        "constraints",
        "What every candidate must satisfy, each with its reason in words. `check` is an expression without `${}` "
        "over dims, vars, counts of the model (params, active_params, flops_per_token, kv_bytes_per_token, "
        "layers, layout ...) and fields of operators; one about a field must hold in every layer that has it.",
        "constraints:\n"
        "  - {check: num_heads % num_kv_heads == 0, why: each key/value head serves whole query heads}\n"
        "  - {check: active_params <= 1.3 G, why: the phone's memory}",
        ("check", "why"),
        ("expressions", "expect"),
    ),
    (
        "x-",
        "A key that begins with `x-` is the author's own note, anywhere in a file, and is read by nobody. Every "
        "other key that is not known is an error.",
        "x-owner: the edge team",
        ("notes", "unknown keys"),
        (),
    ),
)
