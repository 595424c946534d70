"""Money, clock, crypto, SQL and jobs: no business words, no tables."""
