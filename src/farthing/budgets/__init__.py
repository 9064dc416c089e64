"""How much may be spent, by whom."""
