"""ggml model files: which exist, where they are kept, and how they get there."""
