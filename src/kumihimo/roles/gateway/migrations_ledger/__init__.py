"""Migrations of the addressee ledger's store."""
