"""Tests of several roles share `registry_country`, which pytest finds because this file is beside it."""
