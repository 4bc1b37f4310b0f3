"""Cardholders on their own pages: sign-in by a code from the desk, what is theirs, ratings and complaints."""
