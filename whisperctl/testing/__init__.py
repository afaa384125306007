r"""The promises of plugins, as tests that their authors can run.

::

    pytest -p whisperctl.testing.plugin --pyargs whisperctl.testing \
        --backend NAME [--runtime RUNTIME] [--model tiny.en]
    pytest -p whisperctl.testing.plugin --pyargs whisperctl.testing --decoder NAME

``test_decoders`` is about ``docs/decoders.md``, and the docstrings of its classes are the promises.
Each other module ``test_*`` is about one promise of ``docs/backends.md``, its docstring.
"""
