"""The nouns everyone shares. Pure values: nothing here reads a clock, a file or a socket."""
