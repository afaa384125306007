"""What runs a model: the backend protocol, installed backends, and what their authors share."""
