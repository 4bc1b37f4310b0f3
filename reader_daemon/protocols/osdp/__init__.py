"""OSDP 2.2 (SIA OSDP v2.2 = IEC 60839-11-5:2020), control panel side.

`frames`, `codes`, `commands`, `replies` and `crypto` are the pure codec, which a mock reader may share.
`panel` is the engine of one bus; it belongs to the reader daemon alone.
"""
