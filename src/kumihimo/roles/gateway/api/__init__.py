"""HTTP edges of the gateway's two services."""
