"""The protocols that callers speak, one file each."""
