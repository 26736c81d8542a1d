"""What datasets are: their definitions, areas and incident tables."""
