"""Staff: who may sign in, with which roles, and what each role may do. One table of permissions, asked in services."""
