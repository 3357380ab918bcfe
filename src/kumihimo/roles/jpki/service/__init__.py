"""What the certification authority and its responder decide."""
