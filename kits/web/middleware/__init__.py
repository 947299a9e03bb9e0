"""What every request passes around the handlers, in the order of `entrance.py`."""
