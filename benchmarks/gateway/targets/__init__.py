"""Who is measured: one server a file, each with a NAME and a `serve(place)`."""
