"""The gateway's benchmark in parts: an upstream, a load, a meter, and who is measured."""
