"""The options of ``transcribe`` and ``compare``, in groups that each are a dataclass.

A command takes a group by naming it as the type of a parameter (see ``flags``), and ``resolve``
turns what was typed into the checked ``Settings`` of a run.
"""
