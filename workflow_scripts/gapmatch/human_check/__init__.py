"""People judge what the search calls near: trials, their page, and the answers."""
