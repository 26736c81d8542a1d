"""How good deliveries were, who owed them, and what is told of it: cards for suppliers, packs for those who act."""
