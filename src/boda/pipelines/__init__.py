"""The few functions that join steps: one a verb. The command line, the app and notebooks call these."""
