"""Which unstated settings stand behind a published figure."""
