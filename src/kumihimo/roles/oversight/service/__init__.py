"""Decisions of the oversight body (第三者機関): what is cosigned, what is verified, and what is an alarm."""
