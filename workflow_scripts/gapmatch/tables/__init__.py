"""What the tables of a study hold, computed from result files alone."""
