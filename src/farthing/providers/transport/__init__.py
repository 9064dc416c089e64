"""How bytes travel to a provider and back: one seam, several ways."""
