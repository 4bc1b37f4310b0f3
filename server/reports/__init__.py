"""Reports: what pages list and count. Reads only; nothing is decided or changed here."""
