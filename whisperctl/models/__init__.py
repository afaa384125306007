"""Models: the catalog of published ones, the store, downloads, conversion and quantization.

``ggml`` is the one reader of model files. Running a model is the engine's business.
"""
