"""What commands print: tables, listings and progress."""
