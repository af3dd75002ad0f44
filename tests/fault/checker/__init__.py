"""The checker: reads the history of a run and says of each invariant how often it held and where it didn't."""
