"""The server: decides taps, keeps the ledger, replicates policy to the edge, and serves the admin pages."""
