"""What each command does, without its arguments and its output."""
