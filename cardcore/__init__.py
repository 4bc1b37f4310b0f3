"""What must be true on both sides of the wire: money, time, ids, reasons, policy and messages.

Pure: no I/O, no clock, no framework. Server and reader daemon decide with the same functions from here.
"""
