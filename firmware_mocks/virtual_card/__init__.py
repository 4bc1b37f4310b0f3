"""Virtual contactless cards, good and bad, in process or behind the virtual PC/SC reader of vsmartcard-vpcd.

Written from the public rules of each card type, never from the reader's code, so that the two prove each other.
"""
