"""Questions that the server answers itself: places by postcode."""
