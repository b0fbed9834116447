"""What several commands have alike: groups of flags, and what is done with them."""
