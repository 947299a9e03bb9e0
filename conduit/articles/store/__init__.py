"""Store of articles: tables and SQL."""
