"""The running audio frames. Axes: B batch, S samples, M mel bins, F frames of the spectrogram, T tokens, D width."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfm_arch.featurizers.raw import refuse_input
from lfm_arch.parts.mel import mel_filters
from lfm_arch.parts.raw import float_samples

_QUIETEST = 1e-10
"""Power below which everything is silence."""


class AudioFramesModule(nn.Module):
    """The running `AudioFrames`."""

    mel_MF: Tensor

    def __init__(
        self,
        width: int,
        *,
        sample_rate: int,
        num_mel_bins: int,
        n_fft: int,
        hop_length: int,
        stride: int,
        kernel_size: int,
    ) -> None:
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        self.register_buffer("mel_MF", mel_filters(num_mel_bins, n_fft // 2 + 1, sample_rate))
        around = kernel_size // 2
        self.conv_1 = nn.Conv1d(num_mel_bins, width, kernel_size, padding=around)
        self.conv_2 = nn.Conv1d(width, width, kernel_size, stride=stride, padding=around)

    def forward(self, samples_BS: Tensor) -> Tensor:
        """Turn a waveform into `[B, T, D]`, one vector for every `hop_length * stride` samples begun.

        Args:
            samples_BS: at the declared sample rate; floats from -1 to 1, or 16 bit integers.

        Raises:
            InputError: E223, the recording is shorter than its first window, or not one channel.
        """
        mel_BMF = self.log_mel(samples_BS).to(self.conv_1.weight.dtype)
        return F.gelu(self.conv_2(F.gelu(self.conv_1(mel_BMF)))).transpose(1, 2)

    def log_mel(self, samples_BS: Tensor) -> Tensor:
        """Return `[B, M, F]`, one frame for every whole `hop_length`, in float32: (log10 power + 4) / 4."""
        shortest = max(self.hop_length, self.n_fft // 2 + 1)
        if samples_BS.ndim != 2:
            raise refuse_input(
                f"a recording of shape {tuple(samples_BS.shape)}, expected (batch, samples)",
                because="one waveform is heard, not several channels",
                help="average the channels: samples.mean(1)",
            )
        if samples_BS.shape[1] < shortest:
            raise refuse_input(
                f"a recording of {samples_BS.shape[1]} samples",
                because=f"the first window of n_fft={self.n_fft} samples is mirrored at its beginning",
                help=f"pad it with silence to {shortest} samples or more",
            )
        window = torch.hann_window(self.n_fft, device=samples_BS.device)
        spectrum_BKF = torch.stft(
            float_samples(samples_BS),
            self.n_fft,
            self.hop_length,
            window=window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        # the last frame is centred behind the recording
        power_BKF = torch.view_as_real(spectrum_BKF[..., : samples_BS.shape[1] // self.hop_length]).square().sum(-1)
        mel_BMF = self.mel_MF.float() @ power_BKF
        return (mel_BMF.clamp(min=_QUIETEST).log10() + 4) / 4
