"""farthing: know, control and cut what AI costs."""
