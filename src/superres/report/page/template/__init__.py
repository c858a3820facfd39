"""How a page looks: its template, its style and its own scripts."""
