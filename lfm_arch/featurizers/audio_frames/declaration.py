"""Audio frames: log-mel spectrogram of raw samples, then two convolutions along time.

    m = (log10(max(mel . |STFT(x)|^2, 1e-10)) + 4) / 4     num_mel_bins numbers every hop_length samples
    y = gelu(conv_3,stride(gelu(conv_3(m))))               one vector every hop_length * stride samples

The window is a periodic Hann of n_fft samples, frames are centred on their hop, the mel scale is Slaney's with its
area normalisation; that is how speech encoders since Whisper (Radford et al., arXiv:2212.04356) hear.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lfm_arch.core.cost import Cost
from lfm_arch.core.errors import refuse
from lfm_arch.core.tensor import TensorType, stream
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Featurizer

if TYPE_CHECKING:
    from lfm_arch.featurizers.audio_frames.module import AudioFramesModule

KERNEL_SIZE = 3


class AudioFrames(Featurizer):
    """Waveform samples to a stream of one vector for each few hundredths of a second."""

    type: Literal["audio_frames"] = "audio_frames"
    sample_rate: Annotated[int, Field(ge=1)]
    """Samples per second of the waveforms that it is given; resample before, it does not."""
    num_mel_bins: Annotated[int, Field(ge=1)]
    n_fft: Annotated[int, Field(ge=2)]
    """Samples in one window of the spectrogram."""
    hop_length: Annotated[int, Field(ge=1)]
    """Samples from one frame to the next."""
    stride: Annotated[int, Field(ge=1)]
    """Frames that become one token, in the second convolution."""

    modality: ClassVar[str] = "audio"

    @model_validator(mode="after")
    def _spectrogram_is_possible(self) -> Self:
        if self.hop_length > self.n_fft:
            raise refuse(
                "E224",
                "hop_length",
                f"hop_length={self.hop_length} is longer than n_fft={self.n_fft}",
                because="samples between two windows would never be heard",
                help=f"use at most {self.n_fft}; half of it or less is usual",
            )
        if self.num_mel_bins > self.n_fft // 2:
            raise refuse(
                "E224",
                "num_mel_bins",
                f"num_mel_bins={self.num_mel_bins} is more than n_fft={self.n_fft} can tell apart",
                because="a window of n samples has n / 2 distinct frequencies above zero",
                help=f"use at most {self.n_fft // 2}, or a longer window",
            )
        return self

    @property
    def num_frequencies(self) -> int:
        """Bins of the spectrum before the mel filters."""
        return self.n_fft // 2 + 1

    @property
    def samples_per_token(self) -> int:
        return self.hop_length * self.stride

    def takes(self, name: str) -> TensorType:
        return TensorType(("batch", f"{name}_samples"))

    def gives(self, name: str, width: int) -> TensorType:
        return stream(width, f"{name}_frames")

    def cost(self, width: int, work: Workload) -> Cost:
        """Count a recording that fills its last token; the Fourier transform itself is not in the FLOPs."""
        first, second = self.num_mel_bins * width * KERNEL_SIZE, width * width * KERNEL_SIZE
        mel = self.num_frequencies * self.num_mel_bins
        frames = work.positions * self.stride
        params = first + second + 2 * width
        return Cost(
            params=params,
            active_params=params,
            matmul_flops=2 * (mel + first) * frames + 2 * second * work.positions,
            touched_params=params,
            activations=(2 * self.n_fft + 4 * self.num_frequencies + 4 * self.num_mel_bins + 2 * width) * frames
            + 2 * width * work.positions,
            kernels=13,
        )

    def build(self, width: int) -> "AudioFramesModule":
        from lfm_arch.featurizers.audio_frames.module import AudioFramesModule

        return AudioFramesModule(
            width,
            sample_rate=self.sample_rate,
            num_mel_bins=self.num_mel_bins,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            stride=self.stride,
            kernel_size=KERNEL_SIZE,
        )
