"""What keeps a run whole, and what people see of it: files, errors, interruptions, progress."""
