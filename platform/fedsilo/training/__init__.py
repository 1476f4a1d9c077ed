"""Training inside a client and on the server: gradients, optimizer steps, local loops, recipes of methods."""
