"""Near duplicates within the pool."""
