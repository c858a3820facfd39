"""From raw figures to metrics, the table and the plots."""
