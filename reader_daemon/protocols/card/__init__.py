"""Card dialogues without I/O: generators that yield command APDUs and are sent the answers.

Each ends in an `Assertion` or a named `CardFailure`; nothing a card can answer raises. Nothing here opens a reader,
reads a clock or draws randomness by itself.
"""
