"""The agents' own doors: what each client's hook asks before an edit or a command, at the start and at the end."""
