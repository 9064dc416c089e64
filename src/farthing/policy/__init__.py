"""The knobs in force, versioned."""
