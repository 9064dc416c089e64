"""What the back office answers over HTTP."""
