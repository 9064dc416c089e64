"""One model call from caller to provider and back."""
