"""Exports: tables as CSV and XLSX, books for other programs, vouchers, sign-off sheets.

A repeated export is byte-identical. Nothing here reads the database or a clock: rows come in as values, bytes go out.
"""
