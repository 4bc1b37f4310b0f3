"""A pulse-mode turnstile, or a barrier with a loop: contacts in, contacts out, and people who walk or do not."""
