"""The arithmetic of DESFire cards that key service and dialogues share: derivation, sessions EV1, EV2 and LRP.

Pure functions and session states; no APDU is built and no key is stored here. The virtual cards share none of it.
"""
