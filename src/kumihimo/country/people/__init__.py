"""Synthetic residents (架空の住民): people who could live in 甲県, drawn from a seed, and what is known about them."""
