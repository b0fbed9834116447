"""Times of training steps, of this suite and of others, measured side by side."""
