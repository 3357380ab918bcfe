"""Scenarios (業務の実例): cases played on a running country, through the same doors as anybody else."""
