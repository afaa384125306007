"""The engine room: the backend protocol, the installed backends, and a toolkit for authors."""
