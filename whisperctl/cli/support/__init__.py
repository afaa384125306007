"""What commands share: configuration, help, aliases, messages and progress."""
