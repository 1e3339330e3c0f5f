"""The charts of the HTML page."""
