"""Ranges of activations, and the Q/DQ graphs made from them."""
