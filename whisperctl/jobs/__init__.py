"""Many recordings in one run: which they are, where their results go, and how a run goes on.

``sources`` finds the recordings, ``plan`` says what becomes of each, ``runner`` runs them here or
in processes of their own, ``journal`` keeps what a killed run had done. Nothing here prints.
"""
