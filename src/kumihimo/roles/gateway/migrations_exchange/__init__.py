"""Migrations of the exchange's store."""
