"""E1xx: reading files, inheritance and edits from the command line."""

from lfm_arch.core.errors import Code

LOAD_CODES: tuple[Code, ...] = (
    Code(
        "E101",
        "a file that is not there",
        "The path names no file. Paths in `extends` are relative to the file that says them.",
        "lfm-arch check specs/lfm2-1.b.yaml",
        "lfm-arch check specs/lfm2-1.2b.yaml",
    ),
    Code(
        "E102",
        "a directory in place of a file",
        "A spec is one file, with those that it extends. To check all files of a directory, let the shell list them.",
        "lfm-arch check specs",
        "lfm-arch check specs/*.yaml",
    ),
    Code(
        "E103",
        "a file that cannot be read",
        "The operating system refuses: permissions, a broken link, a path that is no path.",
        "lfm-arch check /root/secret.yaml",
        "chmod u+r secret.yaml && lfm-arch check secret.yaml",
    ),
    Code(
        "E104",
        "text that is no YAML",
        "The YAML parser stops here, so nothing behind it was read: correct it and check again. The usual reasons are "
        "indentation, a text that contains `: ` without quotes, and an expression inside {...} without quotes.",
        "conv: {kernel_size: ${k}}",
        'conv: {kernel_size: "${k}"}',
    ),
    Code(
        "E105",
        "a key that is there twice",
        "YAML readers commonly keep the last one and drop the first silently. Keys are compared as they are written: "
        '`2` and `"2"` are one key.',
        "{kernel_size: 3, kernel_size: 5}",
        "{kernel_size: 5}",
    ),
    Code(
        "E106",
        "a merge key",
        "`<<` hides where values come from, and lists cannot be merged with it. Inherit whole files with `extends`, "
        "and give a thing that is used twice a name under `operators` or `blocks`.",
        "local: {<<: *conv, kernel_size: 5}",
        "extends: base.yaml",
    ),
    Code(
        "E107",
        "a key that is no word",
        "Keys are scalars; YAML would allow lists and mappings as keys, which nothing here could name.",
        "? [a, b]\n: 3",
        "ab: 3",
    ),
    Code(
        "E108",
        "a tag",
        "The type of a value is what its field declares, so `!!str`, `!choice` and the like have no place. Quote what "
        "is text; write decisions as {$choice: [...]}.",
        "vocab_size: !!int 65536",
        "vocab_size: 65536",
    ),
    Code(
        "E109",
        "nesting that is too deep",
        "Lists and mappings nest at most 64 deep, aliases included. No spec needs a tenth of it.",
        "a: [[[[[[[[[[ ... ]]]]]]]]]]",
        "a: [1, 2]",
    ),
    Code(
        "E110",
        "too many values",
        "All files of a spec together hold at most 100,000 values, each alias counted as the copy that it makes. "
        "Repetition is said with `stack` and `repeat`.",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b] # and so on, doubling each time",
        "stack: 24*(conv attn)",
    ),
    Code(
        "E111",
        "an alias of nothing",
        "`*name` copies what `&name` marked completely above it, so it cannot stand inside that, or before it.",
        "a: *b\nb: &b 3",
        "b: &b 3\na: *b",
    ),
    Code(
        "E112",
        "a second document",
        "One file is one spec: `---` may stand at its top and nowhere else.",
        "lfm_arch: 1\n---\nlfm_arch: 1",
        "lfm_arch: 1",
    ),
    Code(
        "E113",
        "a file that says nothing",
        "The top of a file is a mapping: `lfm_arch: 1`, `kind`, `name` and what the file is about.",
        "- just\n- a list",
        "lfm_arch: 1\nkind: model\nname: my-model",
    ),
    Code(
        "E114",
        "no possible number",
        "Infinities, NaN and numbers of more than 80 digits are no sizes of anything.",
        "eps: .nan",
        "eps: 1.0e-5",
    ),
    Code(
        "E115",
        "text that is not UTF-8",
        "Files are UTF-8, with or without a byte order mark.",
        'a file saved as Latin-1, with the byte 0xe9 in "café"',
        "the same file saved as UTF-8",
    ),
    Code(
        "E116",
        "a file that is too large",
        "At most one MiB is read. A spec says an architecture, not its weights; shipped specs have about a kilobyte.",
        "lfm-arch check model.safetensors",
        "lfm-arch check spec.yaml",
    ),
    Code(
        "E117",
        "a circle or a crowd of files",
        "A file that inherits itself, directly or through others, has no beginning. At most 32 files make one spec.",
        "extends: myself.yaml",
        "extends: base.yaml",
    ),
    Code(
        "E118",
        "an `extends` that names no file",
        "`extends` is a path or a list of paths, relative to the file. There are no URLs, environment variables or "
        "expressions in it: a spec means the same on every machine.",
        "extends: https://example.org/base.yaml",
        "extends: base.yaml",
    ),
    Code(
        "E119",
        "no version, or another one",
        "The first line says which version of the language a file is written in, so that a later one cannot misread "
        "it. There is one version, 1.",
        "kind: model\nname: my-model",
        "lfm_arch: 1\nkind: model\nname: my-model",
    ),
    Code(
        "E120",
        "the wrong kind of file",
        "`kind` is model, space, study or hw. A command says which it needs; models and spaces may inherit each other, "
        "the other kinds only their own.",
        "kind: modle",
        "kind: model",
    ),
    Code(
        "E121",
        "a list edit without a list",
        "`$append`, `$prepend` and `$remove` change an inherited list, take a list each, and allow no other key.",
        "constraints: {$append: [{check: layers <= 24}]} # in a file that inherits no constraints",
        "constraints: [{check: layers <= 24}]",
    ),
    Code(
        "E122",
        "a removal of nothing",
        "`$remove` takes away elements that equal the ones it lists; of a mapping it is enough to write some keys. An "
        "element that is not there is a typing mistake, or already gone from the base file.",
        "depth_groups: {$remove: [{name: tial}]}",
        "depth_groups: {$remove: [{name: tail}]}",
    ),
    Code(
        "E123",
        "a --set that is no edit",
        "An edit is path=value, with the value as YAML would write it. Quote it for the shell where needed.",
        "lfm-arch check spec.yaml --set dims.hidden_size",
        "lfm-arch check spec.yaml --set dims.hidden_size=1024",
    ),
    Code(
        "E124",
        "a --set that changes nothing",
        "The path must lead to something that the file says, or to a field beside one. Names (of dims, operators, "
        "blocks, ...) cannot be added from the command line: an unknown one is nearly always a typing mistake.",
        "--set dims.hiden_size=1024",
        "--set dims.hidden_size=1024",
    ),
    Code(
        "E132",
        "a topic that nothing explains",
        "`lfm-arch explain` alone lists every code, every operator and every word of the language.",
        "lfm-arch explain atention",
        "lfm-arch explain attention",
    ),
    Code(
        "W101",
        "a number with a leading zero",
        "`017` is 17 in YAML 1.2 and here; readers of YAML 1.1, which are still common, take it for octal 15.",
        "kernel_size: 07",
        "kernel_size: 7",
    ),
)
