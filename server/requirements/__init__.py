"""Requirements: what a zone asks people to have shown, and what each has shown with its validity (A39)."""
