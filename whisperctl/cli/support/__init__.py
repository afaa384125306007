"""Code that commands share: configuration, help, aliases, messages and progress."""
