"""The reader daemon: takes taps from readers, asks the server or decides alone, records, and moves relays."""
