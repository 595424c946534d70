"""The demo: a real grocer's year (the Complete Journey data set) as members, baskets, points and tiers."""
