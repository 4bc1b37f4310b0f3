"""Ports: the only importers of pyserial and pyscard. One thread owns a port and its engine; messages cross."""
