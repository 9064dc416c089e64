"""The pure decisions that gateway and replay share."""
