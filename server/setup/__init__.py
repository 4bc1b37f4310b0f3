"""Setting a site up: which box serves a place, retiring what is no longer used, the first steps of an empty site."""
