"""A DESFire card written from its public rules: EV1, EV2 and LRP sessions, files, transactions, key sets.

It shares AES and CMAC with the reader's side (both come from `cryptography`), and no line of code.
"""
