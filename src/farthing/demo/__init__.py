"""Seeded worlds: a company that does not exist, and what its AI would have cost."""
