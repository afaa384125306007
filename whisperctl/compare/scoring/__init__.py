"""How far texts, tokens and times of two transcripts are apart."""
