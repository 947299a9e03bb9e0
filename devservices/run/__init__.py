"""`make run` and `make demo`: the whole pipeline on this machine, shown order by order."""
