"""The comparison with the Act's text is collected only where that text lies beside the repository."""

from act_reading import TABLE

collect_ignore = [] if TABLE.exists() else ["test_linkage_table.py"]
