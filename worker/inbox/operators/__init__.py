"""What operators see of the inbox and do to it: changes of rows, which the running workers carry out."""
