"""What travels between the processes and to the outside."""
