"""The page that people open: one HTML file made of sections."""
