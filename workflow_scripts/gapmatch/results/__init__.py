"""Reading what a study has made, and what all tables and figures share."""
