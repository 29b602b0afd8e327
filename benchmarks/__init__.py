"""Side-by-side measurements; each prints its setting, medians and ratios, and fails nothing."""
