"""The ledger: accounts, purses, transfers and what must always be true of them. Corrections are new rows."""
