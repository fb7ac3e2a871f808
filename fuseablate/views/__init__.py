"""A spec as people read it: its table, notes, parameters and picture. Without torch."""
