"""Log-mel against an independent implementation, and the stem behind it."""

import numpy as np
import pytest
import torch

from lfm_arch.core.errors import InputError
from lfm_arch.featurizers.audio_frames.declaration import AudioFrames
from lfm_arch.featurizers.audio_frames.module import AudioFramesModule
from lfm_arch.parts.mel import mel_filters

SPEECH = AudioFrames(sample_rate=16_000, num_mel_bins=80, n_fft=400, hop_length=160, stride=2)
SETTINGS = [
    SPEECH,
    AudioFrames(sample_rate=16_000, num_mel_bins=128, n_fft=400, hop_length=160, stride=4),
    AudioFrames(sample_rate=24_000, num_mel_bins=64, n_fft=1024, hop_length=256, stride=1),
    AudioFrames(sample_rate=8_000, num_mel_bins=23, n_fft=201, hop_length=67, stride=2),
]


def chirp(seconds: float, sample_rate: int) -> np.ndarray:
    """A tone that rises from 100 Hz to a third of the sample rate, over a little noise."""
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    rise = (sample_rate / 3 - 100) / seconds
    tone = np.sin(2 * np.pi * (100 * time + rise * time**2 / 2))
    return (0.6 * tone + 0.01 * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize(
    "declared", SETTINGS, ids=lambda each: f"{each.sample_rate}Hz-M{each.num_mel_bins}-N{each.n_fft}"
)
def test_log_mel_equals_transformers(declared: AudioFrames) -> None:
    theirs = pytest.importorskip("transformers.audio_utils")
    samples = chirp(0.5, declared.sample_rate)
    filters = theirs.mel_filter_bank(
        num_frequency_bins=declared.num_frequencies,
        num_mel_filters=declared.num_mel_bins,
        min_frequency=0.0,
        max_frequency=declared.sample_rate / 2,
        sampling_rate=declared.sample_rate,
        norm="slaney",
        mel_scale="slaney",
    )
    expected = theirs.spectrogram(
        samples,
        theirs.window_function(declared.n_fft, "hann"),
        frame_length=declared.n_fft,
        hop_length=declared.hop_length,
        power=2.0,
        mel_filters=filters,
        log_mel="log10",
    )
    ours = declared.build(8).log_mel(torch.from_numpy(samples)[None])[0]
    frames = len(samples) // declared.hop_length
    assert ours.shape == (declared.num_mel_bins, frames)
    torch.testing.assert_close(ours, torch.from_numpy((expected[:, :frames] + 4) / 4).float(), rtol=0, atol=2e-4)


@pytest.mark.parametrize("declared", SETTINGS, ids=lambda each: f"{each.sample_rate}Hz-M{each.num_mel_bins}")
def test_filters_equal_transformers(declared: AudioFrames) -> None:
    theirs = pytest.importorskip("transformers.audio_utils")
    expected = theirs.mel_filter_bank(
        declared.num_frequencies, declared.num_mel_bins, 0.0, declared.sample_rate / 2, declared.sample_rate,
        norm="slaney", mel_scale="slaney",
    )  # fmt: skip
    ours = mel_filters(declared.num_mel_bins, declared.num_frequencies, declared.sample_rate)
    np.testing.assert_allclose(ours.numpy(), expected.T, rtol=1e-5, atol=1e-7)


def test_a_tone_lights_the_bin_of_its_frequency() -> None:
    module = SPEECH.build(8)
    for hertz in (440.0, 3000.0):
        tone = torch.sin(2 * torch.pi * hertz * torch.arange(16_000) / 16_000)
        loudest = module.log_mel(tone[None])[0].mean(1).argmax()
        frequencies = torch.linspace(0, 8_000, SPEECH.num_frequencies)
        centre = frequencies[module.mel_MF[loudest].argmax()]
        assert abs(float(centre) - hertz) < 60


def test_sixteen_bit_samples_equal_floats() -> None:
    samples = torch.from_numpy(chirp(0.1, 16_000))
    module = SPEECH.build(8)
    integers = (samples * 32768).round().to(torch.int16)
    torch.testing.assert_close(module(integers[None]), module(integers[None].float() / 32768))


@pytest.mark.parametrize("samples", [320 * 5, 320 * 5 + 1, 320 * 5 + 160], ids="S{}".format)
def test_one_token_for_every_stride_begun(samples: int) -> None:
    frames = samples // SPEECH.hop_length
    assert SPEECH.build(8)(torch.randn(1, samples)).shape == (1, -(-frames // SPEECH.stride), 8)


def test_silence_is_finite_with_finite_gradients() -> None:
    module = SPEECH.build(8)
    samples = torch.zeros(1, 3200, requires_grad=True)
    module(samples).sum().backward()
    assert samples.grad is not None
    assert samples.grad.isfinite().all()
    assert float(module.log_mel(samples.detach()).amax()) == pytest.approx(-1.5)


def test_filters_survive_a_checkpoint() -> None:
    with torch.device("meta"):
        empty = SPEECH.build(8)
    empty.load_state_dict(SPEECH.build(8).state_dict(), assign=True)
    assert torch.equal(empty.mel_MF, SPEECH.build(8).mel_MF)


@pytest.mark.parametrize(
    ("samples", "complaint"),
    [(torch.randn(2, 2, 3200), "average the channels"), (torch.randn(1, 150), "201 samples or more")],
    ids=["stereo", "short"],
)
def test_a_recording_of_another_shape_is_refused(samples: torch.Tensor, complaint: str) -> None:
    with pytest.raises(InputError, match=rf"E223.*{complaint}"):
        SPEECH.build(8)(samples)


def test_the_stem_hears_locally() -> None:
    """One token hears its frames, the window around them, and the neighbours of both convolutions; nothing further."""
    module: AudioFramesModule = SPEECH.build(8)
    samples = torch.from_numpy(chirp(0.5, 16_000))[None]
    louder = samples.clone()
    louder[:, 4000:4160] *= 0.1
    changed = (module(louder) - module(samples)).abs().amax(dim=(0, 2)) > 1e-6
    tokens = changed.nonzero().flatten().tolist()
    assert tokens
    assert min(tokens) >= 4000 // 320 - 2
    assert max(tokens) <= 4160 // 320 + 2
