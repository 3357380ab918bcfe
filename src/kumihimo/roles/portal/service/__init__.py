"""Decisions of My Portal (マイ・ポータル): whose record is whose, what is said about it, and how it is proven."""
