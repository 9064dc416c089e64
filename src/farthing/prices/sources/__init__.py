"""Where list prices come from, one file each; the registry finds them here."""
