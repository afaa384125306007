r"""Conformance tests for plugins, for their authors to run.

::

    pytest -p whisperctl.testing.plugin --pyargs whisperctl.testing \
        --backend NAME [--runtime RUNTIME] [--model tiny.en]
    pytest -p whisperctl.testing.plugin --pyargs whisperctl.testing --decoder NAME

The docstrings of the classes of ``test_decoders`` are the promises of ``docs/decoders.md``; those
of the modules about backends are the promises of ``docs/backends.md``.
"""
