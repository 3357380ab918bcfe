"""Measurements (計測): what the country's parts cost, as ratios against a reference in the same run.

Every bench is a function from an `Effort` to measured figures; what is promised of a figure stands in `reaches`.
"""
