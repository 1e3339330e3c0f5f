"""The work of each command, without argument parsing and output."""
