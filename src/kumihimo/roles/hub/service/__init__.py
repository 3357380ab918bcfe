"""Decisions of the hub's operators (情報連携基盤の判断): permits, translation, outcomes, key shares, the log."""
