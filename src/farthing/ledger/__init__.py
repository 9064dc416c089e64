"""The append-only record of what was spent: journal, table, importers, queries."""
