"""The words of the language, each in a few sentences and with an example that loads.

`lfm-arch explain WORD` prints them and editors show them. An example is a piece of a file: laid over a model of ten
convolutions and six attention layers, it is valid.
"""

from dataclasses import dataclass
from difflib import get_close_matches

from lfm_arch.spec.word_decisions import DECISIONS
from lfm_arch.spec.word_sections import SECTIONS
from lfm_arch.spec.word_values import VALUES


@dataclass(frozen=True, slots=True)
class Word:
    """One word: what it says, an example, other words that ask for it, words to read next."""

    name: str
    text: str
    example: str
    aliases: tuple[str, ...] = ()
    see: tuple[str, ...] = ()


WORDS: tuple[Word, ...] = tuple(Word(*each) for each in (*SECTIONS, *DECISIONS, *VALUES))
_BY_NAME = {name.lower(): word for word in reversed(WORDS) for name in (word.name, *word.aliases)}


def find_word(name: str) -> Word | None:
    """Return a word by its name or one of its aliases, whatever the case."""
    return _BY_NAME.get(name.lower())


def similar_words(name: str) -> list[str]:
    """Return the words that a mistyped one may have meant."""
    return get_close_matches(name.lower(), _BY_NAME, n=3, cutoff=0.6)
