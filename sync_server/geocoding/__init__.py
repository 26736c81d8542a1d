"""Where it was, from what people wrote: a gazetteer made from files, a ladder of levels, a queue for the unclear."""
