"""Rules that featurizers, heads and the raw input given to them can break."""

from lfm_arch.core.errors import Code

CODES: tuple[Code, ...] = (
    Code(
        "E220",
        "a language model head without a vocabulary",
        "An lm_head scores the rows of a table: its own of vocab_size rows, or that of a token_embedding.",
        wrong="heads: {lm: {type: lm_head}}",
        right="heads: {lm: {type: lm_head, tied_to: text}}",
    ),
    Code(
        "E221",
        "a head that cannot be tied",
        "Tying reuses the rows of a vocabulary, one for each output. Only an lm_head has such rows.",
        wrong="heads: {topic: {type: classifier, num_classes: 4, pool: mean, tied_to: text}}",
        right="heads: {topic: {type: classifier, num_classes: 4, pool: mean}}",
    ),
    Code(
        "E222",
        "a head tied to something without its vocabulary",
        "tied_to is the name of a token_embedding. The head has exactly its rows, so vocab_size is left out.",
        wrong="heads: {lm: {type: lm_head, tied_to: image}}",
        right="heads: {lm: {type: lm_head, tied_to: text}}",
    ),
    Code(
        "E223",
        "raw input of a wrong shape",
        "Pixels, samples, frames and vectors come with the axes that the featurizer declares, and in whole patches.",
        wrong="model(image=pixels)    # pixels of shape (1, 3, 225, 224), patch_size: 16",
        right="model(image=pixels)    # pixels of shape (1, 3, 224, 224)",
    ),
    Code(
        "E224",
        "a spectrogram that cannot be computed",
        "Windows overlap or touch, and a window of n samples tells n / 2 frequencies above zero apart.",
        wrong="{type: audio_frames, sample_rate: 16000, num_mel_bins: 80, n_fft: 128, hop_length: 160, stride: 2}",
        right="{type: audio_frames, sample_rate: 16000, num_mel_bins: 80, n_fft: 400, hop_length: 160, stride: 2}",
    ),
)
