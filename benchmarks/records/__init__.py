"""What runs leave behind: folders in a store, lines in a .csv, and which code made them."""
