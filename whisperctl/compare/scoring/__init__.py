"""Comparison of transcripts: error rates (``wer``), tokens and word times (``agreement``)."""
