"""The cash desk: shifts, top-ups and pay-outs with receipts, refunds and corrections of charges."""
