"""Files of data in their formats, to arrays and labels."""
