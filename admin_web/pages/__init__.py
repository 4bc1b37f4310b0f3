"""One module a page or subject: reads the request, asks a service, renders. No rule of the domain lives here."""
