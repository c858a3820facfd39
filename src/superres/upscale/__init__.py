"""A whole video through an engine: decoded, upscaled and encoded at the same time."""
