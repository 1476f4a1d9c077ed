"""Privacy accounting: what noise is worth in epsilon, and what epsilon takes in noise. Knows no federation."""
