"""The featurizers and heads that ship, one line each."""

from typing import Any

AnyFeaturizer = Any
AnyHead = Any
