"""Read results and show them as reports."""
