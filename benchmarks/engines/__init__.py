"""What executes a grid."""
