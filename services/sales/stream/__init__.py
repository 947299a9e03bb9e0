"""The stream: order events in, sales per minute and large orders out, exactly once; no database."""
