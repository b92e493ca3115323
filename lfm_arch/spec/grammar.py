"""The grammar of the expression language: tokens in, small frozen nodes out. Nothing is evaluated here.

    or      = and { "or" and }
    and     = not { "and" not }
    not     = [ "not" ] compare
    compare = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=" | ["not"] "in" | "is" ["not"]) sum ]
    sum     = term { ("+" | "-") term }
    term    = factor { ("*" | "/" | "//" | "%") factor }
    factor  = "-" factor | atom [ "**" factor ]
    atom    = NUMBER [ UNIT ] | STRING | "null" | "true" | "false" | ref | call | "(" or ")" | "[" [ or { "," or } ] "]"
    ref     = NAME { "." NAME | "[" or "]" }
    call    = NAME "(" [ or { "," or } ] ")"

Operators of one level are kept in one `Chain`, so that a long sum is wide and not deep; what nests is bounded.
"""

from lfm_arch.spec.syntax import Access, Call, Chain, ExpressionError, Link, ListOf, Literal, Node, Reference, Unary
from lfm_arch.spec.token import KEYWORDS, Token, tokens

MAX_LENGTH = 2000
MAX_DEPTH = 32

_LEVELS: dict[str, int] = (
    {"or": 1, "and": 2}
    | dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not"), 4)
    | {"+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6}
)
_NOT, _COMPARE, _SUM = 3, 4, 5
_CONSTANTS: dict[str, bool | None] = {"null": None, "true": True, "false": False}
_LOOKALIKES = {
    "None": "null",
    "True": "true",
    "False": "false",
    "&&": "and",
    "||": "or",
    "!": "not",
    "=": "==",
    "^": "**",
}


class Parser:
    """Precedence climbing over the tokens of one expression."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.tokens = tokens(text, start, end)
        self.at = 0
        self.depth = 0

    def whole(self) -> Node:
        """Parse all of it."""
        if self.now.kind == "end":
            raise ExpressionError(
                "E301", "an empty expression", self.now.start, self.now.end, help="write what to compute"
            )
        node = self.binary(1)
        if self.now.kind != "end":
            raise self.unexpected("an operator or the end")
        return node

    @property
    def now(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def found(self, *texts: str) -> bool:
        """Whether the next token is one of these operators or words."""
        return self.now.kind in ("op", "name") and self.now.text in texts

    def expect(self, text: str, opened: Token) -> Token:
        if not self.found(text):
            raise self.unexpected(f"`{text}` to close `{opened.text}`")
        return self.take()

    def unexpected(self, wanted: str) -> ExpressionError:
        token = self.now
        what = "the expression ends" if token.kind == "end" else f"unexpected `{token.text}`"
        twin = _LOOKALIKES.get(token.text, "")
        # an end has no width: point at the last character instead
        start = max(0, token.start - 1) if token.kind == "end" else token.start
        return ExpressionError(
            "E301",
            f"{what}, where {wanted} should stand",
            start,
            max(token.end, start + 1),
            help=f"write `{twin}`" if twin else "",
        )

    def operator(self) -> tuple[str, int]:
        """Return the next binary operator and how many tokens it takes; nothing is taken."""
        if self.now.kind not in ("op", "name"):
            return "", 0
        word = self.now.text
        following = self.tokens[self.at + 1].text if self.at + 1 < len(self.tokens) else ""
        if (word, following) in (("not", "in"), ("is", "not")):
            return f"{word} {following}", 2
        return (word, 1) if word in _LEVELS else ("", 0)

    def binary(self, minimum: int) -> Node:
        left = self.prefix(minimum)
        while True:
            word, _ = self.operator()
            level = _LEVELS.get(word, 0)
            if level < minimum or not level:
                return left
            links: list[Link] = []
            while word and _LEVELS[word] == level:
                if level == _COMPARE and links:
                    raise ExpressionError(
                        "E301",
                        f"`{word}` after a comparison",
                        self.now.start,
                        self.now.end,
                        because="comparisons do not chain",
                        help="write `a < b and b < c`",
                    )
                _, width = self.operator()
                self.at += width
                links.append(Link(word, self.binary(level + 1)))
                word, _ = self.operator()
            left = Chain(left, tuple(links), left.start, links[-1].operand.end)

    def prefix(self, minimum: int) -> Node:
        if not self.found("not"):
            return self.factor()
        if minimum > _NOT:
            raise self.unexpected("a value (put `not ...` in parentheses)")
        token = self.take()
        self.deeper(token)
        operand = self.binary(_COMPARE) if not self.found("not") else self.prefix(_NOT)
        self.depth -= 1
        return Unary("not", operand, token.start, operand.end)

    def factor(self) -> Node:
        if self.found("-"):
            token = self.take()
            self.deeper(token)
            operand = self.factor()
            self.depth -= 1
            return Unary("-", operand, token.start, operand.end)
        base = self.atom()
        if not self.found("**"):
            return base
        self.deeper(self.take())
        exponent = self.factor()
        self.depth -= 1
        return Chain(base, (Link("**", exponent),), base.start, exponent.end)

    def atom(self) -> Node:
        token = self.now
        if token.kind in ("number", "text"):
            self.take()
            return Literal(token.value, token.start, token.end)
        if self.found("(", "["):
            return self.bracket()
        if token.kind != "name" or token.text in KEYWORDS or token.text in ("None", "True", "False"):
            raise self.unexpected("a value")
        self.take()
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text], token.start, token.end)
        if self.found("("):
            opened = self.take()
            self.deeper(opened)
            args = self.items(")", opened)
            closed = self.expect(")", opened)
            self.depth -= 1
            return Call(token.text, args, token.start, closed.end)
        return self.reference(token)

    def bracket(self) -> Node:
        opened = self.take()
        self.deeper(opened)
        if opened.text == "[":
            items = self.items("]", opened)
            closed = self.expect("]", opened)
            node: Node = ListOf(items, opened.start, closed.end)
        else:
            node = self.binary(1)
            self.expect(")", opened)
        self.depth -= 1
        return node

    def items(self, closing: str, opened: Token) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self.found(closing):
            found.append(self.binary(1))
            if not self.found(","):
                break
            self.take()
            if self.found(closing):
                raise self.unexpected(f"a value before `{closing}`")
        if self.now.kind != "end" and not self.found(closing):
            raise self.unexpected(f"`,` or `{closing}` to close `{opened.text}`")
        return tuple(found)

    def reference(self, first: Token) -> Reference:
        steps: list[Access] = []
        while self.found(".", "["):
            opened = self.take()
            if opened.text == ".":
                if self.now.kind != "name":
                    raise self.unexpected("a name after `.`")
                name = self.take()
                steps.append(Access(name.text, None, name.start, name.end))
                continue
            self.deeper(opened)
            index = self.binary(1)
            closed = self.expect("]", opened)
            self.depth -= 1
            steps.append(Access("", index, opened.start, closed.end))
        return Reference(first.text, tuple(steps), first.start, steps[-1].end if steps else first.end)

    def deeper(self, token: Token) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(
                "E302",
                f"nested deeper than {MAX_DEPTH}",
                token.start,
                token.end,
                because="nobody can read it",
                help="name a part of it under `dims`",
            )
