"""Public personal authentication (公的個人認証): an authority that issues and revokes, a responder that tells the public."""
