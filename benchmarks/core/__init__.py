"""What everything stands on: settings, names, randomness, files and text. Without torch."""
