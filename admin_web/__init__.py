"""The server-rendered admin pages: templates, texts, static files; they call services and know no SQL."""
