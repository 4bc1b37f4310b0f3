"""Devices that do not exist: readers, turnstiles, tills, scanners and cards, in bytes only, misbehaving on command.

Never imported by what they are connected to; they share nothing with it but the pure codecs.
"""
