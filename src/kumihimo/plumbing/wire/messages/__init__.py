"""Message schemas (電文): what the roles of the country say to one another, by noun. See docs/protocols.md."""
