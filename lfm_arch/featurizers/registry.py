"""The featurizers and heads that ship. A new one adds its import and a line here, and an example to the tests."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from lfm_arch.featurizers.audio_frames.declaration import AudioFrames
from lfm_arch.featurizers.base import Featurizer, Head
from lfm_arch.featurizers.classifier.declaration import Classifier
from lfm_arch.featurizers.embedding.declaration import Embedding
from lfm_arch.featurizers.features.declaration import Features
from lfm_arch.featurizers.image_patches.declaration import ImagePatches
from lfm_arch.featurizers.lm_head.declaration import LMHead
from lfm_arch.featurizers.pooled.declaration import Pooled
from lfm_arch.featurizers.regression.declaration import Regression
from lfm_arch.featurizers.token_embedding.declaration import TokenEmbedding
from lfm_arch.featurizers.vectors.declaration import Vectors
from lfm_arch.featurizers.video_tubelets.declaration import VideoTubelets

FEATURIZERS: tuple[type[Featurizer], ...] = (
    TokenEmbedding,
    ImagePatches,
    AudioFrames,
    VideoTubelets,
    Vectors,
    Pooled,
    Features,
)
HEADS: tuple[type[Head], ...] = (
    LMHead,
    Classifier,
    Regression,
    Embedding,
)

if TYPE_CHECKING:
    AnyFeaturizer = Featurizer
    AnyHead = Head
else:
    AnyFeaturizer = Annotated[Union[FEATURIZERS], Field(discriminator="type")]  # noqa: UP007
    AnyHead = Annotated[Union[HEADS], Field(discriminator="type")]  # noqa: UP007
