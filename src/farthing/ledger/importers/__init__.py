"""Importers: one source format, one file, exported as `IMPORTER`."""
