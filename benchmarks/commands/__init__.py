"""One file a command: what it does once its arguments are known to make sense."""
