"""Super-resolution networks in every precision: what each costs in quality and gains in speed."""
