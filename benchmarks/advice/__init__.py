"""What is said to someone whose target has no labels: a choice, why, and how often such a choice was right."""
