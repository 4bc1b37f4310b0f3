"""The bus: live hints between the parts and processes of the server. Fast, bounded, and never the truth."""
