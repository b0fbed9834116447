"""What is said to someone whose target has no labels: a choice, the reason, and how often such a choice was right."""
