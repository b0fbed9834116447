"""One run: its loop, its batches, and the model that it leaves."""
