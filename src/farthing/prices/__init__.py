"""What a unit costs on a given day: dated facts, compiled to whole-number rates."""
