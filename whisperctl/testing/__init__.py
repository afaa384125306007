r"""What a backend promises, as tests that its author can run.

::

    pytest -p whisperctl.testing.plugin --pyargs whisperctl.testing \
        --backend NAME [--runtime RUNTIME] [--model tiny.en]

Each module ``test_*`` is about one promise of ``docs/backends.md``, and its docstring is the
promise.
"""
