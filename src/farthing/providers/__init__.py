"""The outside's protocols, one file each: what a provider says, in farthing's words."""
