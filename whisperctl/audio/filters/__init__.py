"""Filters between a decoder and the model: channels, sample rate, levels."""
