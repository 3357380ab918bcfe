"""Decisions of the gateway (業務判断): neither SQL nor HTTP; stores, clock, randomness and lines to others are passed in."""
