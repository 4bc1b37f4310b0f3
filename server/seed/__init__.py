"""Seeding: the reference site as rows, for the demo, the tests and the benchmarks. Names of people are made up."""
