"""What only a whole study shows: references, files, overlaps, and notes about them."""
