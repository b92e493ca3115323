"""Token mixers and channel mixers, one folder each: what they declare (torch-free) and the module that runs."""
