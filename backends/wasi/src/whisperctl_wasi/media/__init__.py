"""The ``sandbox`` decoder: FFmpeg as a WASI module, which reads media files in a sandbox.

``decoder`` is the plugin, ``starting`` starts a guest, ``demuxer`` is the conversation about one
recording, ``protocol`` the one place where what the guest says is checked. ``wasm-build/media`` is
the guest's own source.
"""
