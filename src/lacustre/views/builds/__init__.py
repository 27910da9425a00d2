"""Views as files of the lake: built from tables part by part, refreshed, told of, removed."""
