"""Stores of the gateway (保管庫): the ledger's and the exchange's, each with own tables, migrations and database."""
