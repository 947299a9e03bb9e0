"""One technology each, no word of the business."""
